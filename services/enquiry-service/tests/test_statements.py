"""What the check lets through, how it writes parameters, and where its refusals point."""

import pytest

from enquiry_service.parameters import DEFINITIONS, Parameter
from enquiry_service.statements import Allowance, UnsafeSql, check

CAMPUS = Allowance(schemas=("campus", "Mixed"))
SINCE: list[Parameter] = DEFINITIONS.validate_python([{"name": "since", "type": "date"}])


def test_parameters_become_numbers_and_gaps_and_nothing_else_does() -> None:
    sql = (
        "SELECT x::int, ':since', \":since\", $q$:since$q$ /* :since */ FROM t WHERE d > :since AND e=:since -- :since"
    )
    checked = check(sql, parameters=SINCE, allowance=CAMPUS)
    assert checked.gaps == ("since", "since")
    assert checked.marked == (
        "SELECT CAST(x AS INT), ':since', \":since\", ':since' FROM t"
        " WHERE d > CAST($1 AS date) AND e = CAST($1 AS date)"
    )
    assert checked.original.count("CAST($1 AS date)") == 2
    assert checked.tables == ("t",)


def test_each_parameter_written_is_defined_and_each_defined_is_written() -> None:
    with pytest.raises(UnsafeSql, match=r"untl is not defined.*line 2, column 9"):
        check("SELECT 1\nWHERE d<:untl", parameters=[], allowance=CAMPUS)
    with pytest.raises(UnsafeSql, match="since is defined and not used"):
        check("SELECT 1", parameters=SINCE, allowance=CAMPUS)


@pytest.mark.parametrize("sql", ["SELECT %(since)s", "SELECT %s", "SELECT ?", "SELECT x[1:since] FROM t", "SELECT $1"])
def test_other_ways_to_write_a_parameter_are_refused(sql: str) -> None:
    with pytest.raises(UnsafeSql):
        check(sql, parameters=SINCE, allowance=CAMPUS)


def test_a_refusal_names_the_word_and_its_place() -> None:
    with pytest.raises(UnsafeSql) as refused:
        check("SELECT id,\n  pg_sleep(1)\nFROM t", parameters=[], allowance=CAMPUS)
    assert "pg_sleep" in refused.value.detail
    assert refused.value.detail.endswith("(line 2, column 3)")


def test_a_source_may_allow_functions_and_types_of_its_own() -> None:
    allowance = Allowance(schemas=("campus",), functions=frozenset({"generate_series", "campus.grade", "campus.code"}))
    sql = "SELECT campus.grade(a), b::campus.code FROM generate_series(1, 3) AS g(a)"
    assert check(sql, parameters=[], allowance=allowance).marked == (
        "SELECT campus.grade(a), CAST(b AS campus.code) FROM generate_series(1, 3) AS g(a)"
    )
    with pytest.raises(UnsafeSql, match="grade"):
        check("SELECT grade(a) FROM t", parameters=[], allowance=allowance)


def test_schemas_are_compared_as_postgresql_folds_them() -> None:
    assert check('SELECT * FROM CAMPUS.a, "Mixed".b', parameters=[], allowance=CAMPUS).tables == ("Mixed.b", "campus.a")
    with pytest.raises(UnsafeSql, match="schema mixed"):
        check("SELECT * FROM Mixed.b", parameters=[], allowance=CAMPUS)
    with pytest.raises(UnsafeSql, match="schema CAMPUS"):
        check('SELECT * FROM "CAMPUS".a', parameters=[], allowance=CAMPUS)


@pytest.mark.parametrize(
    "sql", ["", ";", "-- nothing", "SELECT '", "SELECT /*", "SELEC 1", "SELECT \x00", "(" * 5_000, "SELECT 1" * 50_000]
)
def test_what_is_no_sql_is_refused_in_a_sentence(sql: str) -> None:
    with pytest.raises(UnsafeSql) as refused:
        check(sql, parameters=[], allowance=CAMPUS)
    assert refused.value.detail.endswith((".", ")"))
