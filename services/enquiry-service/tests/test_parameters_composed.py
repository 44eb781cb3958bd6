"""Parameters of more than one value: periods, lists, people, and the caller's own org units; and their forms."""

import json
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # its types lie apart
from pydantic import ValidationError

from enquiry_service import rights
from enquiry_service.parameters import DEFINITIONS, Parameter, bind, demand_distinct, form, scope_of, written
from lodge_kit.problems import Invalid
from lodge_kit.testing.client import Client

SCIENCE, ARTS = "org_01J0000000000000000000SC1E", "org_01J0000000000000000000ARTS"

TERM = {"name": "term", "type": "period", "minimum": "2020-01-01", "most_days": 366}
LEVELS = {"name": "levels", "type": "list", "choices": ["ug", "pg"], "max_items": 2}
NUMBERS = {"name": "numbers", "type": "list", "items": "integer", "max_items": 3, "required": False}
SCOPE = {"name": "scope", "type": "caller_scope"}
TUTOR = {"name": "tutor", "type": "person", "required": False}


def of(*definitions: dict[str, Any]) -> list[Parameter]:
    return DEFINITIONS.validate_python(list(definitions))


def test_a_period_is_two_days_in_the_sql_and_a_list_is_one_value() -> None:
    values = {"term": {"from": "2026-03-01", "to": "2026-03-31"}, "levels": ["pg", "ug"], "numbers": [3, "1"]}
    bound = bind(of(TERM, LEVELS, NUMBERS), values)
    assert bound["term_from"] == date(2026, 3, 1)
    assert {name: written(value) for name, value in bound.items()} == {
        "term_from": "2026-03-01", "term_to": "2026-03-31", "levels": '["pg", "ug"]', "numbers": "[3, 1]",
    }  # fmt: skip


def test_every_composed_value_that_is_wrong_is_named_in_one_answer() -> None:
    wrong = {
        "term": {"from": "2026-03-31", "to": "2026-03-01"}, "levels": ["ug", "phd"], "numbers": [1, 2, 3, 4],
        "tutor": "Ada", "scope": [ARTS],
    }  # fmt: skip
    with pytest.raises(Invalid) as refused:
        bind(of(TERM, LEVELS, NUMBERS, TUTOR, SCOPE), wrong, scope=frozenset({SCIENCE}))
    assert {(error.pointer, error.code) for error in refused.value.errors} == {
        ("/parameters/term", "turned-round"), ("/parameters/levels", "choice"), ("/parameters/numbers", "length"),
        ("/parameters/tutor", "type"), ("/parameters/scope", "set-by-lodge"),
    }  # fmt: skip
    assert any("Number 2 of the list" in error.detail for error in refused.value.errors)


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        (TERM, "2026"),
        (TERM, ["2026-03-01", "2026-03-02"]),
        (TERM, {"from": "2026-03-01"}),
        (TERM, {"from": "2026-03-01", "to": "2026-03-02", "or": 1}),
        (TERM, {"from": "2026-03-01", "to": None}),
        (TERM, {"from": "2019-12-31", "to": "2020-01-01"}),
        (TERM, {"from": "2020-01-01", "to": "2026-01-01"}),
        (LEVELS, "ug"),
        (LEVELS, []),
        (LEVELS, {"ug": 1}),
        (NUMBERS, [True]),
        (NUMBERS, [[1]]),
        (TUTOR, "per_01J00000000000000000000ADA\n"),
        (TUTOR, "svc_01J00000000000000000000ADA"),
    ],
)
def test_a_composed_value_that_only_looks_right_is_refused(definition: dict[str, Any], value: Any) -> None:
    with pytest.raises(Invalid):
        bind(of(definition), {definition["name"]: value})


@pytest.mark.parametrize(
    "definition",
    [
        TERM | {"default": {"from": "2026-02-01", "to": "2026-01-01"}},
        LEVELS | {"default": ["phd"]},
        LEVELS | {"items": "integer"},
        LEVELS | {"min_items": 5},
        SCOPE | {"default": [ARTS]},
        TUTOR | {"default": "per_01J00000000000000000000ADA"},
    ],
)
def test_a_composed_definition_that_cannot_hold_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        of(definition)


def test_a_default_is_bound_as_if_it_had_been_given() -> None:
    definitions = of(TERM | {"default": {"from": "2026-01-01", "to": "2026-01-31"}}, LEVELS | {"default": ["ug"]})
    given = bind(definitions, {"term": {"from": "2026-01-01", "to": "2026-01-31"}, "levels": ["ug"]})
    assert bind(definitions, {}) == given
    again = DEFINITIONS.validate_python(DEFINITIONS.dump_python(definitions, mode="json"))
    assert again == definitions, "a version keeps its definitions as JSON"


def test_a_period_takes_two_names_and_neither_may_be_another_parameter_s() -> None:
    with pytest.raises(Invalid) as refused:
        demand_distinct(of({"name": "term_to", "type": "date"}, TERM))
    assert [error.pointer for error in refused.value.errors] == ["/parameters/1/name"]


def test_a_scope_is_the_caller_s_own_nowhere_without_one_and_null_everywhere() -> None:
    definitions = of(SCOPE)
    texts = {}
    for scope in (frozenset({SCIENCE, ARTS}), frozenset[str](), "*"):
        texts[scope] = {name: written(value) for name, value in bind(definitions, {}, scope=scope).items()}
    assert [one["scope"] for one in texts.values()] == [json.dumps(sorted({SCIENCE, ARTS})), "[]", None]
    assert [scope_of(definitions, one) for one in texts.values()] == [{SCIENCE, ARTS}, set(), {"*"}]
    assert bind(definitions, {}) == {"scope": ()}, "who forgets to say where gets nothing"


DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))
VALUES = st.fixed_dictionaries(
    {
        "term": st.tuples(DAYS, st.integers(0, 365)).map(
            lambda one: {"from": one[0].isoformat(), "to": (one[0] + timedelta(one[1])).isoformat()}
        ),
        "levels": st.lists(st.sampled_from(["ug", "pg"]), min_size=1, max_size=2),
    },
    optional={
        "numbers": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
        "surname": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
        "year": st.integers(2000, 2100),
    },
)
WHOLE = of(
    TERM, LEVELS, NUMBERS, {"name": "surname", "type": "text", "max_length": 9, "required": False}, SCOPE,
    {"name": "year", "type": "integer", "minimum": 2000, "maximum": 2100, "default": 2026},
)  # fmt: skip
FORM = Draft202012Validator(form(WHOLE), format_checker=FormatChecker())


@given(VALUES)
def test_what_a_form_lets_through_is_taken_and_reads_back_as_it_was(values: dict[str, Any]) -> None:
    assert list(FORM.iter_errors(values)) == []
    bound = bind(WHOLE, values)
    assert written(bound["term_to"]) == values["term"]["to"]
    assert json.loads(written(bound["levels"]) or "") == values["levels"]
    if "numbers" in values:
        assert json.loads(written(bound["numbers"]) or "") == values["numbers"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda one: st.lists(one, max_size=4), max_leaves=4
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("term", "levels", "numbers", "year", "surname"), JUNK)))
def test_whatever_is_sent_is_bound_or_refused_by_name(values: dict[str, Any]) -> None:
    try:
        bound = bind(WHOLE, values)
    except Invalid as problem:
        refused = {error.pointer.removeprefix("/parameters/") for error in problem.errors}
    else:
        assert bound.keys() == {slot for one in WHOLE for slot in one.slots}
        refused = {"term"} - values.keys()
    assert refused <= {one.name for one in WHOLE}
    assert refused or {"term", "levels"} <= values.keys()


@pytest.mark.anyio
async def test_a_portal_draws_its_form_and_the_source_is_asked_with_what_came_of_it(
    reporting: Callable[..., Awaitable[dict[str, Any]]], olive: Client, work: Callable[[], Awaitable[None]]
) -> None:
    report = await reporting(
        "SELECT id FROM campus.student WHERE enrolled BETWEEN :term_from AND :term_to AND level::text = ANY (:levels)"
        " AND (:numbers IS NULL OR id = ANY (:numbers)) AND (:scope IS NULL OR code = ANY (:scope)) ORDER BY id",
        TERM, LEVELS, NUMBERS, SCOPE,
    )  # fmt: skip
    path = f"/enquiry/v1/reports/{report['id']}"
    drawn = (await olive.get(f"{path}/parameters")).json()
    assert (list(drawn["properties"]), drawn["required"]) == (["term", "levels", "numbers"], ["term", "levels"])
    assert (await olive.get(f"{path}/versions/1/parameters")).json() == drawn
    values = {"term": {"from": "2024-09-01", "to": "2024-12-31"}, "levels": ["pg"], "numbers": [3, 4, 7]}
    Draft202012Validator(drawn).validate(values)
    run = await olive.made(f"{path}/runs", parameters=values)
    await work()
    found = await olive.get(f"/enquiry/v1/runs/{run['id']}/file")
    assert found.text.split() == ["id", "3", "7"], (await olive.get(f"/enquiry/v1/runs/{run['id']}")).text

    refused = await olive.post(f"{path}/runs", json={"parameters": {"term": {"from": "2", "to": "1"}, "scope": []}})
    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == [
        "/parameters/levels", "/parameters/scope", "/parameters/term",
    ]  # fmt: skip


@pytest.mark.anyio
async def test_a_person_who_is_nobody_is_refused_when_the_run_is_asked_for(
    reporting: Callable[..., Awaitable[dict[str, Any]]], olive: Client, who: Any
) -> None:
    report = await reporting("SELECT id FROM campus.student WHERE name = :tutor", TUTOR)
    path = f"/enquiry/v1/reports/{report['id']}/runs"
    nobody = await olive.post(path, json={"parameters": {"tutor": "per_01J0000000000000000000N0NE"}})
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (422, "/parameters/tutor")
    await olive.made(path, parameters={"tutor": who.ada})


@pytest.mark.anyio
async def test_nobody_reads_the_rows_of_org_units_that_are_not_his_or_hers(
    reporting: Callable[..., Awaitable[dict[str, Any]]],
    client: Client, olive: Client, work: Callable[[], Awaitable[None]],
) -> None:  # fmt: skip
    report = await reporting("SELECT id FROM campus.student WHERE (:scope IS NULL OR code = ANY (:scope))", SCOPE)
    enquiry = await olive.made(
        "/enquiry/v1/enquiries", kind="data", title="Ours", description="All of ours.", org_unit=SCIENCE
    )
    both = {one.name: [SCIENCE, ARTS] for one in (rights.RUN, rights.READ, rights.REPORTS_READ)}
    wide = client.acting("per_01J0000000000000000000W1DE", both)
    run = await wide.made(f"/enquiry/v1/reports/{report['id']}/runs", enquiry=enquiry["id"])
    assert run["parameters"] == {"scope": json.dumps(sorted([SCIENCE, ARTS]))}
    await work()
    one = {name: [SCIENCE] for name in both}
    narrow = client.acting("per_01J000000000000000000NARR0", one)
    file = f"/enquiry/v1/runs/{run['id']}/file"
    assert (await narrow.get(f"/enquiry/v1/runs/{run['id']}")).status_code == 200
    refused = await narrow.get(file)
    assert (refused.status_code, "org units" in refused.json()["detail"]) == (403, True)
    assert (await wide.get(file)).text.split() == ["id"]
    moved = client.acting("per_01J0000000000000000000W1DE", one)
    assert (await moved.get(file)).status_code == 403, "who asked for it has one of them no more"
    assert (await olive.get(file)).status_code == 200
