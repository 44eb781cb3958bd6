"""DuckDB: the words that reports on files may use, and how it reads them.

None opens a file or an address, reads a setting, the environment or the catalogue, or runs SQL that it is given as
text (`query`, `query_table`); none makes rows or bytes out of nothing (`range`, `repeat`).
"""

# ruff: noqa: SIM905 - lists of words read best as words

import re
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.parsers.duckdb import DuckDBParser

from enquiry_service.dialects.dialect import Dialect, Transforms, as_written


class ReportSql(DuckDB):
    """DuckDB's SQL with every function kept as it was written."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Keep a path as it is."""
        return path

    class Parser(DuckDBParser):
        """Knows no function by meaning, and only those by syntax that the standard writes without commas."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            name: DuckDBParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "EXTRACT", "POSITION", "STRING_AGG", "SUBSTRING", "TRIM", "TRY_CAST")
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            name: parse for name, parse in DuckDBParser.NO_PAREN_FUNCTION_PARSERS.items() if name in {"ANY", "CASE"}
        }

    class Generator(DuckDBGenerator):
        """Writes operators as operators."""

        TRANSFORMS: ClassVar[Transforms] = {
            **as_written(DuckDBGenerator.TRANSFORMS),
            exp.Pow: lambda self, node: self.binary(node, "**"),
            exp.JSONExtract: lambda self, node: self.binary(node, "->"),
            exp.JSONExtractScalar: lambda self, node: self.binary(node, "->>"),
        }


FUNCTIONS = frozenset(
    """
    count sum avg min max bool_and bool_or bit_and bit_or bit_xor string_agg group_concat listagg list array_agg first
    last any_value arg_min arg_max min_by max_by stddev stddev_pop stddev_samp variance var_pop var_samp corr
    covar_pop covar_samp median mode quantile_cont quantile_disc percentile_cont percentile_disc approx_count_distinct
    approx_quantile histogram grouping product kurtosis skewness entropy
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log2 log10 pow power mod gcd lcm pi degrees radians
    sin cos tan cot asin acos atan atan2 greatest least coalesce ifnull nullif isnan isinf isfinite if
    lower upper lcase ucase length len strlen char_length character_length bit_length left right substr substring trim
    ltrim rtrim lpad rpad position strpos instr replace translate reverse split_part string_split str_split
    string_split_regex concat concat_ws starts_with ends_with contains prefix suffix regexp_replace regexp_matches
    regexp_full_match regexp_extract regexp_extract_all ascii unicode ord chr md5 sha1 sha256 hash encode decode
    base64 from_base64 to_base64 hex unhex strip_accents nfc_normalize levenshtein jaccard
    jaro_similarity jaro_winkler_similarity like_escape
    now today current_date current_time current_timestamp get_current_timestamp localtime localtimestamp date_trunc
    date_part datepart datetrunc extract age make_date make_time make_timestamp date_add date_diff datediff date_sub
    datesub strftime strptime try_strptime to_timestamp epoch epoch_ms year quarter month week day dayofweek
    dayofmonth dayofyear weekday weekofyear yearweek isodow isoyear hour minute second millisecond microsecond
    monthname dayname last_day to_days to_months to_years to_hours to_minutes to_seconds time_bucket timezone
    date timestamp time interval
    list_value list_contains list_extract list_element list_distinct list_unique list_sort list_sum list_avg list_min
    list_max list_aggregate list_position list_concat list_slice array_length array_contains array_to_string
    list_transform list_filter unnest struct_pack struct_extract row map map_extract map_keys map_values cardinality
    array_value array_extract
    json json_extract json_extract_string json_array_length json_type json_valid json_keys json_object json_array
    to_json json_contains
    """.split()
)

TYPES = frozenset(
    getattr(exp.DataType.Type, name)
    for name in (
        "BOOLEAN TINYINT SMALLINT INT BIGINT INT128 UTINYINT USMALLINT UINT UBIGINT DECIMAL FLOAT DOUBLE TEXT VARCHAR"
        " CHAR BPCHAR UUID DATE TIME TIMETZ TIMESTAMP TIMESTAMPNTZ TIMESTAMPTZ TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS"
        " INTERVAL JSON BLOB VARBINARY ARRAY LIST"
    ).split()
)

CLAUSES = frozenset({exp.Qualify, exp.IntDiv, exp.TryCast, exp.Lambda, exp.Struct})

DIALECT = Dialect(
    name="duckdb",
    product="DuckDB",
    sql=ReportSql,
    functions=FUNCTIONS,
    types=TYPES,
    casts={
        "text": "CAST({} AS TEXT)",
        "bigint": "CAST({} AS BIGINT)",
        "numeric": "CAST({} AS DECIMAL(38, 10))",
        "date": "CAST({} AS DATE)",
        "boolean": "CAST({} AS BOOLEAN)",
        "text[]": "CAST(CAST({} AS JSON) AS VARCHAR[])",
        "bigint[]": "CAST(CAST({} AS JSON) AS BIGINT[])",
        "numeric[]": "CAST(CAST({} AS JSON) AS DECIMAL(38, 10)[])",
        "date[]": "CAST(CAST({} AS JSON) AS DATE[])",
    },
    mark="${}",
    # Also what is no name but a file, an address or a pattern of either: DuckDB would read it.
    catalogue=re.compile(r"(?i)(duckdb|sqlite|pragma|pg|information_schema)_|.*[./\\:*?\[]"),
    catalogue_has_no_schema=True,
    session_words=frozenset("user current_user session_user current_role current_schema current_catalog".split()),
    clauses=CLAUSES,
    uncalled=frozenset({exp.IntDiv, exp.TryCast, exp.Struct}),
)
