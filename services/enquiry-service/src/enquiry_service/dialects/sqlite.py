"""SQLite: the words that reports may use, and how it reads them.

None loads code, reads or writes a file, or tells of the schema; none makes bytes out of nothing (`zeroblob`,
`randomblob`, `printf` with a width), and no pragma is a table.
"""

# ruff: noqa: SIM905 - lists of words read best as words

import re
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.generators.sqlite import SQLiteGenerator
from sqlglot.parsers.sqlite import SQLiteParser

from enquiry_service.dialects.dialect import Dialect, Transforms, as_written


class ReportSql(SQLite):
    """SQLite's SQL with every function kept as it was written."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Keep a path as it is: after `->` it may be a key."""
        return path

    class Parser(SQLiteParser):
        """Knows no function by meaning, and only CAST by its syntax."""

        # A comma stays one: CROSS JOIN would forbid SQLite's planner to turn the two tables round.
        JOINS_HAVE_EQUAL_PRECEDENCE: ClassVar[bool] = False

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            "CAST": SQLiteParser.FUNCTION_PARSERS["CAST"]
        }

    class Generator(SQLiteGenerator):
        """Writes what was written."""

        # A type's affinity is in its name: DECIMAL keeps a whole number whole, REAL does not.
        TYPE_MAPPING: ClassVar[dict[exp.DType, str]] = {exp.DType.VARBINARY: "BLOB"}
        TRANSFORMS: ClassVar[Transforms] = {
            **as_written(SQLiteGenerator.TRANSFORMS),
            exp.Cast: lambda self, node: f"CAST({self.sql(node, 'this')} AS {self.sql(node, 'to')})",
            exp.NullSafeNEQ: lambda self, node: self.binary(node, "IS DISTINCT FROM"),
            exp.Concat: lambda self, node: " ".join(self.sql(part) for part in node.expressions),
            exp.JSONExtract: lambda self, node: self.binary(node, "->"),
            exp.JSONExtractScalar: lambda self, node: self.binary(node, "->>"),
        }


FUNCTIONS = frozenset(
    """
    count sum total avg min max group_concat string_agg json_group_array json_group_object median percentile
    percentile_cont percentile_disc
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    abs ceil ceiling floor round trunc sign sqrt exp ln log log2 log10 pow power mod pi degrees radians sin cos tan
    asin acos atan atan2 coalesce ifnull nullif iif if
    lower upper length octet_length substr substring trim ltrim rtrim instr replace concat concat_ws unicode char hex
    unhex quote typeof like glob
    date time datetime julianday strftime unixepoch timediff current_date current_time current_timestamp
    json json_extract json_array json_object json_array_length json_type json_valid json_quote json_patch json_set
    json_insert json_replace json_remove json_each json_tree
    """.split()
)

TYPES = frozenset(
    getattr(exp.DataType.Type, name)
    for name in "TINYINT SMALLINT INT BIGINT DECIMAL FLOAT DOUBLE TEXT VARCHAR CHAR NCHAR BLOB VARBINARY DATE".split()
)

CLAUSES = frozenset({exp.Glob, exp.Match})

DIALECT = Dialect(
    name="sqlite",
    product="SQLite",
    sql=ReportSql,
    functions=FUNCTIONS,
    types=TYPES,
    casts={
        "text": "CAST({} AS TEXT)",
        "bigint": "CAST({} AS INTEGER)",
        "numeric": "CAST({} AS NUMERIC)",
        "date": "CAST({} AS TEXT)",
        "boolean": "({} = 'true')",
        **dict.fromkeys(("text[]", "bigint[]", "numeric[]", "date[]"), "CAST({} AS TEXT)"),
    },
    mark="?{}",
    catalogue=re.compile(
        r"(?i)(sqlite_|pragma_)|(dbstat|bytecode|tables_used|carray|generate_series|json_(each|tree))$"
    ),
    catalogue_has_no_schema=True,
    clauses=CLAUSES,
    uncalled=CLAUSES,
)
