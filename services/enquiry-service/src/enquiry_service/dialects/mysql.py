"""MySQL and MariaDB: the words that reports may use, and how they read them.

None reads a file, sleeps, locks (`GET_LOCK`), burns time (`BENCHMARK`), moves a sequence, or tells of the server; none
makes bytes out of nothing (`REPEAT`, `SPACE`), which a source may allow for itself.
"""

# ruff: noqa: SIM905 - lists of words read best as words

import re
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.generators.mysql import MySQLGenerator
from sqlglot.parsers.mysql import MySQLParser

from enquiry_service.dialects.dialect import Dialect, Transforms, as_written


class ReportSql(MySQL):
    """MySQL's SQL with every function kept as it was written."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Keep a path as it is."""
        return path

    class Parser(MySQLParser):
        """Knows no function by meaning, and only those by syntax that are written without commas."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            name: MySQLParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "CONVERT", "EXTRACT", "GROUP_CONCAT", "MATCH", "SUBSTR", "SUBSTRING", "TRIM")
        }

    class Generator(MySQLGenerator):
        """Writes an operator as an operator: MariaDB has no function for it."""

        TRANSFORMS: ClassVar[Transforms] = {
            **as_written(MySQLGenerator.TRANSFORMS),
            exp.RegexpLike: lambda self, node: self.binary(node, "RLIKE"),
        }


FUNCTIONS = frozenset(
    """
    count sum avg min max bit_and bit_or bit_xor group_concat json_arrayagg json_objectagg std stddev stddev_pop
    stddev_samp variance var_pop var_samp median percentile_cont percentile_disc any_value grouping
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    abs ceil ceiling floor round truncate sign sqrt exp ln log log2 log10 pow power mod pi degrees radians sin cos tan
    cot asin acos atan atan2 greatest least coalesce ifnull nullif if isnull nvl nvl2 interval field elt crc32
    lower upper lcase ucase length char_length character_length octet_length bit_length left right substr substring
    substring_index mid trim ltrim rtrim lpad rpad position locate instr replace reverse concat concat_ws insert
    format soundex strcmp find_in_set ascii ord char hex unhex bin oct conv quote md5 sha1 sha sha2 to_base64
    from_base64 regexp_replace regexp_instr regexp_substr regexp_like make_set export_set bit_count
    now curdate current_date curtime current_time current_timestamp localtime localtimestamp utc_date utc_time
    utc_timestamp date time timestamp year quarter month monthname week weekofyear yearweek weekday day dayname
    dayofmonth dayofweek dayofyear hour minute second microsecond last_day makedate maketime period_add period_diff
    date_add date_sub adddate subdate addtime subtime datediff timediff timestampadd timestampdiff date_format
    time_format str_to_date from_days to_days to_seconds sec_to_time time_to_sec from_unixtime unix_timestamp
    convert_tz extract get_format
    json_extract json_unquote json_value json_query json_array json_object json_length json_depth json_keys
    json_contains json_contains_path json_search json_type json_valid json_quote json_merge_preserve json_merge_patch
    json_set json_insert json_replace json_remove json_compact json_pretty json_exists
    convert match inet_aton inet_ntoa inet6_aton inet6_ntoa is_ipv4 is_ipv6 uuid_to_bin bin_to_uuid row values
    """.split()
)

TYPES = frozenset(
    getattr(exp.DataType.Type, name)
    for name in (
        "TINYINT SMALLINT MEDIUMINT INT BIGINT UBIGINT DECIMAL FLOAT DOUBLE CHAR VARCHAR TEXT NCHAR BINARY VARBINARY"
        " DATE TIME DATETIME TIMESTAMP TIMESTAMPTZ YEAR JSON CHARACTER_SET"
    ).split()
)

CLAUSES = frozenset({exp.IntDiv, exp.Xor, exp.MatchAgainst, exp.CharacterSet})

DIALECT = Dialect(
    name="mysql",
    product="MySQL",
    sql=ReportSql,
    functions=FUNCTIONS,
    types=TYPES,
    casts={
        "text": "CONVERT({} USING utf8mb4)",
        "bigint": "CAST({} AS SIGNED)",
        "numeric": "CAST({} AS DECIMAL(65, 20))",
        "date": "CAST({} AS DATE)",
        "boolean": "({} = 'true')",
        **dict.fromkeys(("text[]", "bigint[]", "numeric[]", "date[]"), "CONVERT({} USING utf8mb4)"),
    },
    mark="?",
    # Any other name is a table of the source's own databases, whatever it is; MariaDB makes these out of nothing.
    catalogue=re.compile(r"(?i)seq_\d+_to_\d+(_step_\d+)?$"),
    catalogue_has_no_schema=True,
    clauses=CLAUSES,
    uncalled=frozenset({exp.Xor, exp.IntDiv, exp.CharacterSet}),
    folds=False,
    run_comments=("!", "M!"),
)
