"""What a dialect is."""

from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern

import sqlglot
from sqlglot import exp


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
    folds: bool = True
    """Whether a schema's name without quotes is read in small letters."""
    run_comments: tuple[str, ...] = ()
    """How comments begin whose content the product runs."""
