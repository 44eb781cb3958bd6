"""What a dialect is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from re import Pattern

import sqlglot
from sqlglot import exp

from enquiry_service.dialects.sizes import PADDING, Bound

Transforms = dict[type[exp.Expr], Callable[..., str]]
"""How a generator writes each kind of node."""


def as_written(transforms: Transforms) -> Transforms:
    """Answer them without what turns clauses that the product lacks into others: it shall refuse them itself."""
    return {kind: write for kind, write in transforms.items() if kind is not exp.Select}


@dataclass(frozen=True)
class Dialect:
    """One product's SQL, as far as reports may use it.

    `sql` knows no function by meaning, so that each stays as it was written. `functions`, `types` and `clauses` (those
    that `clauses.NODES` lacks; `uncalled` as in `clauses.UNCALLED`) are all that may be written. `catalogue` matches
    how names begin that mean the product's own tables, or anything that is no table, where no schema stands before
    them. `casts` says how a parameter's value, a text, becomes one of its type.
    """

    name: str
    product: str
    sql: type[sqlglot.Dialect]
    functions: frozenset[str]
    types: frozenset[exp.DType]
    casts: Mapping[str, str]
    mark: str
    """How a bound value is written: by its number where there are braces, else as the next in turn."""
    catalogue: Pattern[str]
    catalogue_has_no_schema: bool = False
    """Whether those names mean it whatever schema stands before them."""
    session_words: frozenset[str] = frozenset()
    """Words that look like a column and tell of the connection."""
    clauses: frozenset[type[exp.Expr]] = frozenset()
    uncalled: frozenset[type[exp.Expr]] = frozenset()
    bounds: Mapping[str, Bound] = field(default_factory=lambda: PADDING)
    """The functions that make a value as long as they are told."""
    folds: bool = True
    """Whether a schema's name without quotes is read in small letters."""
    run_comments: tuple[str, ...] = ()
    """How comments begin whose content the product runs."""
