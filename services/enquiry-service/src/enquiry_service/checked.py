"""A report's SQL once it has passed its check: what the source is asked, with a gap for each value.

The text is not the author's own but what the check understood of it, written down again: what was checked and what
runs cannot differ by a comment, a quote or an escape that two parsers read in two ways.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Checked(BaseModel):
    """SQL in pieces: `pieces[0] <gaps[0]> pieces[1] <gaps[1]> … pieces[-1]`.

    `gaps` name parameters, one as often as it occurs; `types` are their PostgreSQL types by name. `original` is the
    author's text with `$1`, `$2` … for the parameters in the order of `types`: PostgreSQL must describe both alike.
    `tables` are the relations named, as they were written.
    """

    model_config = ConfigDict(frozen=True)

    pieces: tuple[str, ...]
    gaps: tuple[str, ...]
    types: dict[str, str]
    tables: tuple[str, ...]
    original: str

    @property
    def order(self) -> tuple[str, ...]:
        """The parameters in the order of their numbers: the first is `$1`."""
        return tuple(self.types)

    @property
    def numbered(self) -> str:
        """The SQL with `$1`, `$2` … to bind at the server."""
        numbers = {name: f"${number}" for number, name in enumerate(self.types, start=1)}
        return self.filled(lambda name: numbers[name])

    def filled(self, write: Callable[[str], str]) -> str:
        """Answer the SQL with `write(name)`, cast to the parameter's type, in each gap."""
        text = self.pieces[0]
        for name, piece in zip(self.gaps, self.pieces[1:], strict=True):
            text += f"CAST({write(name)} AS {self.types[name]}){piece}"
        return text
