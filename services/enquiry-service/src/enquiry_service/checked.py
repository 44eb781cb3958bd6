"""A report's SQL once it has passed its check: what the source is asked, with a gap for each value.

The text is not the author's own but what the check understood of it, written down again: what was checked and what
runs cannot differ by a comment, a quote or an escape that two parsers read in two ways.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Checked(BaseModel):
    """SQL in pieces: `pieces[0] <gaps[0]> pieces[1] <gaps[1]> … pieces[-1]`.

    `gaps` name parameters, one as often as it occurs; `casts` say by name how a value, with which the braces are
    filled, becomes one of its type; `mark` how a bound value is written. `original` is the author's text with marks
    for the parameters: the source must describe both alike. `tables` are the relations named, as they were written.
    `ordered` says that the statement has an order and no limit of its own.
    """

    model_config = ConfigDict(frozen=True)

    pieces: tuple[str, ...]
    gaps: tuple[str, ...]
    casts: dict[str, str]
    tables: tuple[str, ...]
    original: str
    mark: str = "${}"
    ordered: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        """The parameters in the order in which `marked` binds them: by number, or one for each gap."""
        return tuple(self.casts) if "{}" in self.mark else self.gaps

    @property
    def marked(self) -> str:
        """The SQL with marks for the values, to bind at the source."""
        numbers = {name: number for number, name in enumerate(self.casts, start=1)}
        return self.filled(lambda name: self.mark.format(numbers[name]))

    def filled(self, write: Callable[[str], str]) -> str:
        """Answer the SQL with `write(name)`, made one of the parameter's type, in each gap."""
        text = self.pieces[0]
        for name, piece in zip(self.gaps, self.pieces[1:], strict=True):
            text += self.casts[name].format(write(name)) + piece
        return text
