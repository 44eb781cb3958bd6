"""What the check lets through, how it writes parameters, and where its refusals point."""

import pytest

from enquiry_service.dialects import Dialect, duckdb, mysql, postgresql, sqlite
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


DIALECTS = (postgresql.DIALECT, mysql.DIALECT, sqlite.DIALECT, duckdb.DIALECT)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "a." * 9_000 + "b FROM t",
        "SELECT 1" + "::int" * 6_000,
        "SELECT a" + " BETWEEN 1 AND 1" * 3_000,
        "SELECT CAST(a AS int" + "[]" * 6_000 + ")",
        "SELECT " + "NOT " * 15_000 + "true",
    ],
    ids=["names", "casts", "between", "arrays", "not"],
)
def test_what_is_nested_too_deeply_is_refused_in_a_sentence(sql: str, dialect: Dialect) -> None:
    with pytest.raises(UnsafeSql, match=r"nested too deeply|cannot be read near \[\]"):
        check(sql, parameters=[], allowance=CAMPUS, dialect=dialect)


def test_a_text_is_read_up_to_its_own_length_and_number_of_words() -> None:
    adjoined = "SELECT " + "1+" * 9_000 + "1"
    assert len(check(adjoined, parameters=[], allowance=CAMPUS).marked) > len(adjoined)
    with pytest.raises(UnsafeSql, match="has 100009 characters; at most 100000") as refused:
        check("SELECT 1 " + "+" * 100_000, parameters=[], allowance=CAMPUS)
    assert [one.code for one in refused.value.errors] == ["unsafe-sql"]
    with pytest.raises(UnsafeSql, match="has 30001 words and signs; at most 20000"):
        check("SELECT" + " a," * 15_000, parameters=[], allowance=CAMPUS)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT lpad('a', 1000000000, 'b')", postgresql.DIALECT),
        ("SELECT rpad(title, 10001) FROM course", mysql.DIALECT),
        ("SELECT rpad(title, 1e9) FROM course", duckdb.DIALECT),
        ("SELECT lpad(title, 1000 * 1000) FROM course", postgresql.DIALECT),
        ("SELECT lpad(title, credits) FROM course", duckdb.DIALECT),
        ("SELECT format('%1000000000s', 'a')", postgresql.DIALECT),
        ("SELECT format('%1$-1000000000s', 'a')", postgresql.DIALECT),
        ("SELECT format('%*s', 1000000000, 'a')", postgresql.DIALECT),
        ("SELECT format(title, 'a') FROM course", postgresql.DIALECT),
        ("SELECT CAST('a' AS char(10485760))", postgresql.DIALECT),
        ("SELECT CAST('a' AS BINARY(1000000000))", mysql.DIALECT),
        ("SELECT CONVERT('a', BINARY(1000000000))", mysql.DIALECT),
    ],
)
def test_a_value_much_longer_than_what_it_is_made_of_is_refused(sql: str, dialect: Dialect) -> None:
    with pytest.raises(UnsafeSql, match=r"10000|width"):
        check(sql, parameters=[], allowance=CAMPUS, dialect=dialect)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT lpad(number, 8, '0') FROM student", postgresql.DIALECT),
        ("SELECT format('%s, %2$I 100%%', surname, number) FROM student", postgresql.DIALECT),
        ("SELECT CAST(number AS char(8)) FROM student", mysql.DIALECT),
        ("SELECT CAST(credits AS decimal(10, 2)) FROM course", duckdb.DIALECT),
    ],
)
def test_lengths_that_people_write_are_taken(sql: str, dialect: Dialect) -> None:
    assert check(sql, parameters=[], allowance=CAMPUS, dialect=dialect).tables


def test_a_source_may_allow_lengths_of_any_size() -> None:
    allowance = Allowance(schemas=("campus",), functions=frozenset({"lpad"}))
    assert check("SELECT lpad(title, credits) FROM course", parameters=[], allowance=allowance).tables == ("course",)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DISTINCT ON (title) id FROM course",
        "SELECT a.id FROM course AS a FULL JOIN course AS b ON a.id = b.id",
        "SELECT a.id FROM course AS a, course AS b JOIN course AS c ON b.id = c.id, course AS d",
    ],
)
def test_clauses_are_not_translated_into_others(sql: str, dialect: Dialect) -> None:
    written = check(sql, parameters=[], allowance=CAMPUS, dialect=dialect).marked
    assert written.replace("OUTER ", "") == sql
