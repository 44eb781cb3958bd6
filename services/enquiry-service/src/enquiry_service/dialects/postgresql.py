"""PostgreSQL: the words that reports may use, and how it reads them.

Functions are PostgreSQL's own that only compute. None reads a file, a setting or the catalogue, sleeps, locks,
signals, or runs SQL that it is given as text (`query_to_xml`); none makes rows or bytes out of nothing
(`generate_series`, `repeat`), which a source may allow for itself.
"""

# ruff: noqa: SIM905 - lists of words read best as words

import re
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.parsers.postgres import PostgresParser

from enquiry_service.dialects.dialect import Dialect, Transforms, as_written
from enquiry_service.dialects.sizes import FORMAT, PADDING


class ReportSql(Postgres):
    """PostgreSQL's SQL with every function kept as it was written, none translated between dialects."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Keep the key after `->` as it is: '$.a' is a key in PostgreSQL, not a path."""
        return path

    class Parser(PostgresParser):
        """Knows no function by meaning, and only those by syntax that the standard writes without commas."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            name: PostgresParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "EXTRACT", "OVERLAY", "POSITION", "STRING_AGG", "SUBSTRING", "TRIM")
        }

    class Generator(PostgresGenerator):
        """Writes operators as operators: PostgreSQL names an unnamed column after a function."""

        TRANSFORMS: ClassVar[Transforms] = {
            **as_written(PostgresGenerator.TRANSFORMS),
            exp.Pow: lambda self, node: self.binary(node, "^"),
            exp.Sqrt: lambda self, node: f"|/ {self.sql(node, 'this')}",
            exp.Cbrt: lambda self, node: f"||/ {self.sql(node, 'this')}",
            # Literals that follow each other are one where a line's end is between them.
            exp.Concat: lambda self, node: "\n".join(self.sql(part) for part in node.expressions),
        }


FUNCTIONS = frozenset(
    """
    count sum avg min max bool_and bool_or every bit_and bit_or bit_xor string_agg array_agg json_agg jsonb_agg
    json_object_agg jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy mode percentile_cont
    percentile_disc grouping range_agg any_value
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10 power mod div gcd lcm width_bucket
    pi degrees radians sin cos tan asin acos atan atan2 greatest least coalesce nullif num_nonnulls num_nulls
    lower upper initcap length char_length character_length octet_length bit_length left right substr substring
    trim btrim ltrim rtrim lpad rpad position strpos replace translate reverse split_part concat concat_ws starts_with
    overlay regexp_replace regexp_match regexp_matches regexp_count regexp_like regexp_substr regexp_instr
    regexp_split_to_array regexp_split_to_table string_to_array string_to_table array_to_string ascii chr md5 sha256
    encode decode format quote_literal to_char to_number to_date to_timestamp to_hex unaccent normalize
    now current_date current_time current_timestamp localtime localtimestamp statement_timestamp
    transaction_timestamp date_trunc date_part date_bin extract age make_date make_time make_timestamp make_timestamptz
    make_interval justify_days justify_hours justify_interval isfinite timezone overlaps
    date timestamp time interval
    array_length array_ndims array_position array_positions array_remove array_replace array_upper array_lower
    cardinality array_append array_prepend array_cat unnest row array
    json_build_object jsonb_build_object json_build_array jsonb_build_array to_json to_jsonb row_to_json
    json_array_length jsonb_array_length json_array_elements jsonb_array_elements json_array_elements_text
    jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys
    json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text json_typeof jsonb_typeof
    jsonb_strip_nulls json_strip_nulls jsonb_set jsonb_pretty jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_path_exists jsonb_to_recordset json_to_recordset jsonb_to_record json_to_record
    daterange int4range int8range numrange tsrange tstzrange lower_inc upper_inc lower_inf upper_inf isempty
    similarity word_similarity to_tsvector to_tsquery plainto_tsquery websearch_to_tsquery ts_rank
    """.split()
)

TYPES = frozenset(
    getattr(exp.DataType.Type, name)
    for name in (
        "BOOLEAN SMALLINT INT BIGINT DECIMAL FLOAT DOUBLE MONEY TEXT VARCHAR CHAR BPCHAR UUID DATE TIME TIMETZ"
        " TIMESTAMP TIMESTAMPTZ INTERVAL JSON JSONB ARRAY VARBINARY INET INT4RANGE INT8RANGE NUMRANGE TSRANGE"
        " TSTZRANGE DATERANGE"
    ).split()
)
"""Types that a value may be cast to. `regclass` and its family read the catalogue; a domain may run a function."""

SESSION_WORDS = frozenset(
    "user current_user session_user system_user current_role current_schema current_catalog".split()
)
"""Words that look like a column and tell of the connection."""

_ARRAY = (
    "CASE WHEN CAST({0} AS jsonb) IS NOT NULL"
    " THEN ARRAY(SELECT CAST(item AS KIND) FROM jsonb_array_elements_text(CAST({0} AS jsonb)) AS items(item)) END"
)
"""A list is given as JSON; an empty one stays a list, and nothing stays nothing."""

DIALECT = Dialect(
    name="postgresql",
    product="PostgreSQL",
    sql=ReportSql,
    functions=FUNCTIONS,
    types=TYPES,
    casts={
        "text": "CAST({} AS text)",
        "bigint": "CAST({} AS bigint)",
        "numeric": "CAST({} AS numeric)",
        "date": "CAST({} AS date)",
        "boolean": "CAST({} AS boolean)",
        **{f"{kind}[]": _ARRAY.replace("KIND", kind) for kind in ("text", "bigint", "numeric", "date")},
    },
    mark="${}",
    # pg_catalog is on every search path, and every relation in it begins so.
    catalogue=re.compile("pg_"),
    session_words=SESSION_WORDS,
    bounds=PADDING | FORMAT,
)
