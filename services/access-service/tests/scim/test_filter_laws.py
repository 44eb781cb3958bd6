"""A filter in SQL keeps what the library's own evaluation keeps, for any filter over people of any kind."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scim2_models import ScimFilter, ScimPolicy, SearchRequest
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import rights
from access_service.scim.comparing import comparable
from access_service.scim.provider import provider
from access_service.scim.storage import Storage
from access_service.scim.users import MODEL
from access_service.settings import Settings
from lodge_kit.clock import system_clock
from lodge_kit.database import Database
from lodge_kit.identity import Caller

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DIRECTORY = Caller("svc_01J0000000000000000000D1RY", "Directory", permissions={one.name: "*" for one in rights.ALL})

WORDS = st.text(st.sampled_from('aAbB0%_\\ éÉß"ΣσΑ'), max_size=3)
SAID = st.none() | WORDS
ADDRESS = st.fixed_dictionaries(
    {"value": st.sampled_from(["a@b.c", "A@b.C", "b%@a_.c"])},
    optional={"type": st.sampled_from(["work", "Home", "other"]), "primary": st.just(value=False), "display": WORDS},
)
PERSON = st.fixed_dictionaries(
    {"title": SAID, "displayName": WORDS, "active": st.booleans()},
    optional={
        "name": st.fixed_dictionaries({}, optional={"givenName": WORDS, "familyName": WORDS, "formatted": WORDS}),
        "emails": st.lists(ADDRESS, max_size=2),
        ENTERPRISE: st.fixed_dictionaries({}, optional={"employeeNumber": WORDS}),
    },
)
PEOPLE = st.lists(PERSON, min_size=1, max_size=4)

TEXTS = (
    "userName",
    "title",
    "displayName",
    "name.givenName",
    "name.familyName",
    "externalId",
    f"{ENTERPRISE}:employeeNumber",
)
PARTS = ("value", "type", "display")
OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")


def comparisons(texts: st.SearchStrategy[str], flags: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operand = WORDS.map(ScimFilter.quote) | st.just("null")
    return (
        st.builds("{} {} {}".format, texts, st.sampled_from(OPERATORS), operand)
        | st.builds("{} {} {}".format, flags, st.sampled_from(("eq", "ne")), st.sampled_from(("true", "false", "null")))
        | st.builds("{} pr".format, texts | flags)
    )


def logic(terms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        terms,
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from(("and", "or")), inner)
            | st.builds("not ({})".format, inner)
        ),
        max_leaves=4,
    )


ROW = logic(comparisons(st.sampled_from(PARTS), st.just("primary")))
TERM = (
    comparisons(
        st.sampled_from(TEXTS + tuple(f"emails.{part}" for part in PARTS)),
        st.sampled_from(("active", "emails.primary")),
    )
    | st.builds("emails[{}]".format, ROW)
    | st.sampled_from(("name pr", "emails pr", 'emails co "A@"', "meta pr", 'meta.created gt "2000-01-01T00:00:00Z"'))
)
FILTER = logic(TERM)


# Python knows of letters that lower case differs with what is beside them; PostgreSQL takes each by itself.
LETTER_BY_LETTER = ScimPolicy(comparison_key=lambda binding, text: comparable(text, exact=binding.case_exact))


class Kept:
    """A storage in a loop and a transaction of its own; what each example adds is undone."""

    def __init__(self, runner: asyncio.Runner, session: AsyncSession) -> None:
        self._runner = runner
        self._storage = Storage(session, DIRECTORY, system_clock(), system_clock().date())

    def agree(self, people: list[dict[str, Any]], condition: str) -> None:
        """Add people, search, and hold what is found against the evaluation of what is kept."""
        self._runner.run(self._agree(people, condition))

    async def _agree(self, people: list[dict[str, Any]], condition: str) -> None:
        kind = next(one for one in provider().resource_types if one.name == "User")
        savepoint = await self._storage.session.begin_nested()
        try:
            with provider(), LETTER_BY_LETTER:
                for number, person in enumerate(people):
                    told = MODEL.model_validate({"userName": f"{'aAbB'[number]}{number}%", **person})
                    await self._storage.create(kind, told)
                everybody = await self._storage.search([kind], SearchRequest[MODEL]())
                request = SearchRequest[MODEL](filter=condition)
                found = await self._storage.search([kind], request)
                assert request.filter is not None
                expected = {one.id for one in everybody.resources if request.filter.match(one)}
                assert {one.id for one in found.resources} == expected
                assert found.total == len(expected)
        finally:
            await savepoint.rollback()
            self._storage.session.expunge_all()


@pytest.fixture
def kept(settings: Settings) -> Iterator[Kept]:
    database = Database(settings.database_url.get_secret_value(), name="scim laws")
    session = AsyncSession(database.orm, expire_on_commit=False)
    with asyncio.Runner() as runner:
        yield Kept(runner, session)
        runner.run(session.close())
        runner.run(database.close())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(people=PEOPLE, condition=FILTER)
def test_a_filter_in_sql_keeps_what_the_evaluation_keeps(
    kept: Kept, people: list[dict[str, Any]], condition: str
) -> None:
    kept.agree(people, condition)
