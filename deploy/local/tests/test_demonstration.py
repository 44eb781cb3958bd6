"""The demonstration data, loaded into databases of the services: is it what it says, and does all of it work?"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from sqlalchemy import MetaData

import access_service.app
import access_service.migrations
import access_service.world
import enquiry_service.app
import enquiry_service.migrations
import release_service.app
import release_service.migrations
from access_service import bootstrap, decisions
from access_service.settings import Settings as AccessSettings
from access_service.tables import Row as AccessRow
from enquiry_service import parameters, sources
from enquiry_service.settings import Settings as EnquirySettings
from enquiry_service.sources import Buffer, Limits, Phase
from enquiry_service.sources.targets import PostgresqlTarget
from enquiry_service.tables import DataSource
from enquiry_service.tables import Row as EnquiryRow
from enquiry_service.versions import checked
from lodge_kit.identity import Permission
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import WORKER, Databases
from lodge_kit.testing.issuer import Issuer
from lodge_local.demonstration import access, asking, campus, giving, loading, systems
from lodge_local.demonstration.log_ins import LOG_INS
from lodge_local.demonstration.records import Names
from lodge_local.failures import Failed
from lodge_local.home import Home
from release_service.settings import Settings as ReleaseSettings
from release_service.tables import Row as ReleaseRow

pytestmark = pytest.mark.anyio
DAY = date(2026, 11, 23)
TODAY = datetime.now(UTC).date()
SERVICES: Mapping[str, tuple[ModuleType, MetaData]] = {
    "access": (access_service.migrations, AccessRow.metadata),
    "enquiry": (enquiry_service.migrations, EnquiryRow.metadata),
    "release": (release_service.migrations, ReleaseRow.metadata),
}
COMPARED = {
    "access": (
        "org_unit",
        "person",
        "system",
        "permission",
        "role",
        "role_inheritance",
        "group_member",
        "post",
        "known_name",
    ),
    "enquiry": ("enquiry", "enquiry_event", "message", "report", "report_version", "run", "artifact", "known_name"),
    "release": ("supplier", "product", "release", "watched_source", "sighting", "known_name"),
}
KEY = Fernet.generate_key().decode()


@dataclass(frozen=True)
class University:
    """Where it was loaded."""

    urls: dict[str, str]
    target: PostgresqlTarget
    home: Home
    told: list[str]

    def load(self, **other: Any) -> list[str]:
        """Load it once more; answers what was told."""
        told: list[str] = []
        wanted: dict[str, Any] = {"server": os.environ["LODGE_TEST_SERVER_URL"], "day": TODAY, "names": NAMES}
        loading.load(self.urls, home=self.home, **({"tell": told.append} | wanted | other))
        return told

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """Ask a service's database."""
        with psycopg.connect(self.urls[service]) as connection:
            return connection.execute(query.encode()).fetchall()

    def one(self, service: str, query: str) -> Any:
        """Ask for one value."""
        return self.rows(service, query)[0][0]

    def settings(self) -> dict[str, Any]:
        return {"sealing_keys": KEY, "audit_key": "a test's own"}


RUN = os.environ.get("LODGE_TEST_RUN", "run")
NAMES = Names(f"lodge_{RUN}_records_{WORKER}", f"lodge_{RUN}_reader_{WORKER}")


def fresh(databases: Databases, name: str) -> dict[str, str]:
    """Make the three databases, as they are when `make run` comes to loading."""
    urls = {}
    for service, (migrations, metadata) in SERVICES.items():

        def bring_up(url: str, own: ModuleType = migrations, tables: MetaData = metadata) -> None:
            migrate(url, own, tables)

        urls[service] = databases.fresh(f"{name}_{service}_{WORKER}", service, bring_up)
    asyncio.run(first_start(urls["access"]))
    return urls


async def first_start(url: str) -> None:
    world = access_service.world.create_world(AccessSettings(database_url=url, sealing_keys=KEY, audit_key="a test's"))
    async with world.database.transaction() as session:
        await bootstrap.start(session, [], now=world.clock())
    await world.database.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as found:
        yield Path(found)


@pytest.fixture(scope="module")
def university(all_databases: Databases, folder: Path) -> Iterator[University]:
    server = os.environ["LODGE_TEST_SERVER_URL"]
    urls, home, told = fresh(all_databases, "demonstration"), Home(folder / "home"), list[str]()
    try:
        loading.load(urls, home=home, server=server, day=TODAY, tell=told.append, names=NAMES)
        at = conninfo_to_dict(server)
        target = PostgresqlTarget(
            host=str(at["host"]), port=int(str(at.get("port", 5432))), database=NAMES.database, username=NAMES.reader,
            password=SecretStr((home.secrets("sources") / "student-records").read_text().strip()), schemas=("records",),
        )  # fmt: skip
        yield University(urls, target, home, told)
    finally:
        home.close()
        with psycopg.connect(server, autocommit=True) as connection:
            for kind, name in (("DATABASE", NAMES.database), ("ROLE", NAMES.reader), ("ROLE", NAMES.database)):
                drop = sql.SQL("DROP {} IF EXISTS {}").format(sql.SQL(kind), sql.Identifier(name))
                connection.execute(drop)


def fingerprints(urls: Mapping[str, str]) -> dict[str, str]:
    """Answer a fingerprint of each table's rows."""
    found = {}
    for service, tables in COMPARED.items():
        with psycopg.connect(urls[service]) as connection:
            for table in tables:
                # The system that Lodge is, with its roles, has ids of its own at each first start.
                without = " WHERE created_at < current_date" if table in ("system", "role", "person") else ""
                query = f"SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {table} t{without}"  # noqa: S608 - names above
                row = connection.execute(query.encode()).fetchone()
                found[f"{service} {table}"] = row[0] if row else ""
    return found


def test_the_same_day_gives_the_same_university_and_another_day_another() -> None:
    first, again, other = campus.found(DAY), campus.found(DAY), campus.found(date(2026, 3, 1))
    assert first.members == again.members
    assert first.members[0] != other.members[0]
    assert [one.enquiry.model_dump() for one in asking.asked(first)] == [
        one.enquiry.model_dump() for one in asking.asked(again)
    ]
    one = first.log_in(LOG_INS[0])
    assert (one.id, one.name) == ("per_01JDB52Y007D711YCN5GF05KS6", "Rosa Marchetti")


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 1, 1), date(2026, 8, 2), date(2026, 12, 31)])
def test_any_day_will_do_and_nothing_is_later_than_it(day: date) -> None:
    found = campus.found(day)
    assert len(found.members) == campus.PEOPLE == len({member.user_name for member in found.members})
    history = list(asking.asked(found))
    assert len(history) == asking.ENQUIRIES
    for one in history:
        times = [event.occurred_at for event in one.events]
        assert times == sorted(times)
        assert times[-1] < found.now
    roles = {role.name: (role.name, found.head(spec.owner).id) for spec in systems.SYSTEMS for role in spec.roles}
    for given in giving.given(found, roles):
        assert given.ends is None or given.ends >= given.begins
        assert given.by != given.subject


def test_the_log_of_an_enquiry_says_what_its_status_says() -> None:
    for one in asking.asked(campus.found(DAY)):
        kinds = [event.type for event in one.events]
        assert kinds[0] == "received"
        assert (one.enquiry.assignee is not None) is ("assigned" in kinds)
        closing = [kind for kind in kinds if kind in ("answered", "closed", "reopened")]
        expected = {"answered": "answered", "closed": "closed"}.get(closing[-1] if closing else "")
        assert one.enquiry.status == expected if expected else one.enquiry.status in ("new", "open", "waiting")
        assert (one.enquiry.outcome is not None) is (one.enquiry.status == "closed")
        state = {"waiting": "paused", "answered": "ended", "closed": "ended"}.get(one.enquiry.status, "running")
        assert one.enquiry.clock_state == state
        assert (one.enquiry.due_on is None) is (state == "paused") or state == "ended"
        assert sum(kind.startswith("message") for kind in kinds) == len(one.messages)


def test_what_was_loaded_is_told_and_is_much(university: University) -> None:
    assert [line.partition(":")[0] for line in university.told] == ["student records", "access", "enquiry", "release"]
    counted = {
        "person": ("access", 2_000), "role_grant": ("access", 2_500), "system": ("access", 5),
        "enquiry": ("enquiry", 1_500), "enquiry_event": ("enquiry", 5_000), "run": ("enquiry", 100),
        "release": ("release", 100), "product": ("release", 4), "sighting": ("release", 30),
    }  # fmt: skip
    for table, (service, least) in counted.items():
        assert university.one(service, f"SELECT count(*) FROM {table}") >= least, table  # noqa: S608 - names above
    kinds = university.rows("enquiry", "SELECT DISTINCT kind FROM enquiry")
    assert len(kinds) == 7
    assert len(university.rows("enquiry", "SELECT DISTINCT status FROM enquiry")) == 5
    assert university.one("release", "SELECT count(*) FROM watched_source WHERE NOT paused") == 0
    assert university.one("release", "SELECT count(DISTINCT disposition) FROM sighting") == 3
    assert university.one("access", "SELECT count(*) FROM role_grant WHERE valid_from > now()") > 20
    assert university.one("access", "SELECT count(*) FROM role_grant WHERE valid_to < now()") > 200


def test_it_goes_by_the_names_that_access_service_goes_by() -> None:
    assert (access.BY, access.LODGE) == (bootstrap.BY, decisions.LODGE)


def test_nothing_is_published_and_the_counters_stand_where_they_stood(university: University) -> None:
    for service in ("enquiry", "release"):
        assert university.one(service, "SELECT count(*) FROM event") == 0
        assert university.rows(service, "SELECT DISTINCT value FROM counter") == [(0,)]
        assert university.rows(service, "SELECT action FROM audit_event") == [("demonstration.loaded",)]


def test_everybody_who_is_named_is_known_where_the_name_is_shown(university: University) -> None:
    people = {row[0] for row in university.rows("access", 'SELECT id FROM person UNION ALL SELECT id FROM "group"')}
    units = {row[0] for row in university.rows("access", "SELECT id FROM org_unit")}
    for service, query in (
        ("access", "SELECT subject FROM role_grant UNION SELECT granted_by FROM role_grant WHERE origin = 'request'"),
        ("enquiry", "SELECT requester FROM enquiry UNION SELECT assignee FROM enquiry WHERE assignee IS NOT NULL"),
        (
            "enquiry",
            "SELECT author FROM report_version UNION SELECT author FROM message UNION SELECT requested_by FROM run",
        ),
        ("release", "SELECT owner FROM product"),
    ):
        named = {row[0] for row in university.rows(service, query)}
        assert named <= people
        if service != "access":
            known = {row[0] for row in university.rows(service, "SELECT id FROM known_name")}
            assert named <= known
    for service, query in (("enquiry", "SELECT DISTINCT org_unit FROM enquiry"),
                           ("release", "SELECT org_unit FROM product")):  # fmt: skip
        assert {row[0] for row in university.rows(service, query)} <= units


def test_loading_again_changes_nothing(university: University) -> None:
    before = fingerprints(university.urls)
    assert all(line.endswith(": there already") for line in university.load())
    assert fingerprints(university.urls) == before


@pytest.mark.timeout(300)  # two loads, and a machine with other work takes its time
def test_a_load_that_was_killed_is_finished_and_comes_to_the_same(
    university: University, all_databases: Databases
) -> None:
    urls = fresh(all_databases, "again")

    def killed(line: str) -> None:
        if line.startswith("access"):
            raise KeyboardInterrupt

    again = University(urls, university.target, university.home, [])
    with pytest.raises(KeyboardInterrupt):
        again.load(tell=killed)
    assert again.one("enquiry", "SELECT count(*) FROM enquiry") == 0
    assert again.load()[1] == "access: there already"
    assert fingerprints(urls) == fingerprints(university.urls)


def test_a_database_that_has_something_else_is_refused_and_left(university: University) -> None:
    with pytest.raises(Failed, match="LODGE_DEMO=0"):
        university.load(day=date(2026, 1, 2))
    assert university.one("access", "SELECT count(*) FROM org_unit") < 60


def test_without_the_private_postgresql_there_are_no_student_records_and_all_else_is(
    all_databases: Databases, university: University
) -> None:
    urls = fresh(all_databases, "bare")
    bare = University(urls, university.target, university.home, [])
    told = bare.load(server=None)
    assert told[0].startswith("no student records and no reports")
    assert bare.one("enquiry", "SELECT count(*) FROM data_source") == 0
    assert bare.one("enquiry", "SELECT count(*) FROM enquiry") == 1_500


def test_the_check_of_the_source_finds_nothing(university: University) -> None:
    assert sources.adapter("postgresql").check(university.target) == []
    assert university.rows("enquiry", "SELECT check_findings FROM data_source") == [([],)]


class Lines:
    """A sink that keeps the lines, and a watch that watches nothing."""

    def __init__(self) -> None:
        self.text = b""
        self.rows = 0

    def heading(self, line: Buffer) -> None:
        self.text += bytes(line)

    def write_rows(self, block: Buffer, count: int) -> None:
        self.text += bytes(block)
        self.rows += count

    def phase(self, name: Phase) -> None: ...
    def attach(self, cancel: Callable[[], None]) -> None: ...
    def detach(self) -> None: ...
    def ended(self, *, gone: bool) -> None: ...


def test_every_report_passes_its_check_and_finds_something_by_default(university: University) -> None:
    source = DataSource.model_construct(allowed_schemas=["records"], allowed_functions=[])
    versions = university.rows(
        "enquiry",
        "SELECT r.name, v.sql, v.parameters, v.result_columns"
        " FROM report_version v JOIN report r ON r.id = v.report_id",
    )
    assert len(versions) == 7
    for name, text, definitions, columns in versions:
        asked = parameters.DEFINITIONS.validate_python(definitions)
        safe = checked(text, asked, source)
        values = {key: parameters.written(value) for key, value in parameters.bind(asked, {}).items()}
        lines = Lines()
        ending = sources.adapter("postgresql").run(
            university.target, safe, values, limits=Limits(), sink=lines, watch=lines
        )
        assert lines.rows > 3, name
        assert [column.model_dump() for column in ending.columns] == columns


def test_nobody_approves_what_he_wrote(university: University) -> None:
    states = university.rows("enquiry", "SELECT state, count(*) FROM report_version GROUP BY 1 ORDER BY 1")
    assert states == [("approved", 5), ("retired", 1), ("review", 1)]
    assert university.one("enquiry", "SELECT count(*) FROM report_version WHERE author = approver") == 0


async def test_a_role_that_is_held_permits_and_one_that_has_ended_does_not(university: University) -> None:
    world = access_service.world.create_world(
        AccessSettings(database_url=university.urls["access"], **university.settings())
    )
    held = """
        SELECT p.user_name, m.action, m.resource_type, g.org_unit FROM role_grant g
        JOIN person p ON p.id = g.subject AND p.status = 'active' JOIN role r ON r.id = g.role_id
        JOIN role_permission rp ON rp.role_id = r.id JOIN permission m ON m.id = rp.permission_id
        JOIN system s ON s.id = r.system_id AND s.key = 'student-records' WHERE r.name = 'Module leader' AND {}
        AND NOT EXISTS (SELECT FROM group_member gm WHERE gm.person_id = p.id)
        AND (SELECT count(*) FROM role_grant o WHERE o.subject = g.subject AND o.role_id = g.role_id) = 1 LIMIT 5
    """
    try:
        for condition, permit in (("g.valid_to IS NULL AND g.valid_from < now()", True), ("g.valid_to < now()", False)):
            for who, action, kind, unit in university.rows("access", held.format(condition)):
                place = {"system": "student-records", "org_unit": unit}
                question = decisions.Question(who, action, kind, "any", resource_properties=place)
                async with world.database.transaction() as session:
                    decision = await decisions.decide(session, question, at=world.clock())
                assert decision.permit is permit, decision.reason
    finally:
        await world.database.close()


async def test_what_was_is_there_to_be_asked_about(university: University, issuer: Issuer, tmp_path: Path) -> None:
    left = """
        SELECT g.subject, g.end_reason, g.ended_at - interval '1 day', m.action, m.resource_type, g.org_unit
        FROM role_grant g JOIN person p ON p.id = g.subject AND p.left_on IS NOT NULL
        JOIN role_permission rp ON rp.role_id = g.role_id JOIN permission m ON m.id = rp.permission_id
        WHERE g.ended_at = g.valid_to AND g.ended_at - g.created_at > interval '2 days' ORDER BY g.id LIMIT 1
    """
    ((who, reason, before, action, kind, unit),) = university.rows("access", left)
    moved = "SELECT person_id FROM appointment GROUP BY 1 HAVING count(*) = 2 AND count(ends_on) = 1 ORDER BY 1"
    async with all_served(university, issuer, tmp_path) as served:
        asked = {"subject": who, "action": action, "resource_type": kind} | ({"org_unit": unit} if unit else {})
        now = (await served["access"].get("/access/v1/explain", params=asked)).json()
        then = (await served["access"].get("/access/v1/explain", params=asked | {"as_of": before.isoformat()})).json()
        assert (now["decision"], then["decision"]) == (False, True)
        assert "no longer" in now["sentence"]
        assert reason in str(now["paths"])
        known = {"as_of": before.isoformat(), "known_at": before.isoformat()}
        held = (await served["access"].get(f"/access/v1/people/{who}/access", params=known)).json()["items"]
        assert any(row["until"] is None for row in held)
        movers = university.rows("access", moved)
        assert len(movers) > 20
        places = (await served["access"].get(f"/access/v1/people/{movers[0][0]}/appointments")).json()["items"]
        assert len({one["org_unit"]["id"] for one in places}) == 2


@asynccontextmanager
async def all_served(university: University, issuer: Issuer, storage: Path) -> AsyncIterator[dict[str, Client]]:
    """Serve the three, and call each as one who may do everything there."""
    common = university.settings()
    folders: dict[str, Any] = {"storage": storage, "source_secrets": university.home.secrets("sources")}
    urls = university.urls
    apps = (
        access_service.app.create_app(AccessSettings(database_url=urls["access"], **common), keys=issuer.keys),
        enquiry_service.app.create_app(
            EnquirySettings(database_url=urls["enquiry"], **common, **folders), keys=issuer.keys
        ),
        release_service.app.create_app(ReleaseSettings(database_url=urls["release"], **common), keys=issuer.keys),
    )
    person = university.one("access", "SELECT id FROM person WHERE user_name = 'support-officer'")
    async with AsyncExitStack() as stack:
        found = {}
        for app in apps:
            client = await stack.enter_async_context(opened(app, issuer))
            held: tuple[Permission, ...] = app.state.service.permissions
            found[app.state.service.name] = client.acting(person, held)
        yield found


async def test_every_list_answers_with_names(university: University, issuer: Issuer, tmp_path: Path) -> None:
    lists = {
        "access": {"people": ("org_unit",), "grants": ("subject", "role", "granted_by"), "roles": ("system",),
                   "systems": ("owner",), "groups": (), "org-units": ()},
        "enquiry": {"enquiries": ("requester", "org_unit"), "reports": ("owner", "source"), "sources": ("owner",),
                    "runs": ("requested_by", "report")},
        "release": {"suppliers": (), "products": ("supplier", "owner", "org_unit"), "releases": ("product",),
                    "sources": ("product", "owner")},
    }  # fmt: skip
    async with all_served(university, issuer, tmp_path) as clients:
        for service, nouns in lists.items():
            for noun, references in nouns.items():
                answer = await clients[service].get(f"/{service}/v1/{noun}", params={"limit": "200"})
                assert answer.status_code == 200, answer.text
                items = answer.json()["items"]
                assert items
                shown = [item[name] for item in items for name in references if item[name] is not None]
                assert [one["id"] for one in shown if not one["name"] and one["id"] != bootstrap.BY] == [], noun


async def test_the_five_find_their_work(university: University, issuer: Issuer, tmp_path: Path) -> None:
    async with all_served(university, issuer, tmp_path) as clients:
        mine = await clients["enquiry"].get("/enquiry/v1/enquiries", params={"assignee": "me", "count": "true"})
        assert mine.json()["count"] > 100
        waiting = await clients["enquiry"].get("/enquiry/v1/enquiries", params={"assignee": "me", "status": "open"})
        assert waiting.json()["items"]
    asked = "SELECT count(*) FROM enquiry e JOIN known_name k ON k.id = e.requester WHERE k.name = 'Rosa Marchetti'"
    assert university.one("enquiry", asked) > 5
    held = """
        SELECT p.user_name, r.name FROM role_grant g JOIN person p ON p.id = g.subject JOIN role r ON r.id = g.role_id
        JOIN system s ON s.id = r.system_id AND s.key = 'lodge' WHERE p.external_id = p.user_name ORDER BY 1
    """
    assert university.rows("access", held) == [
        ("auditor", "auditor"), ("support-officer", "support-officer"), ("system-owner", "system-owner"),
    ]  # fmt: skip


async def test_the_dates_of_enquiries_are_those_that_the_service_comes_to(
    university: University, issuer: Issuer, tmp_path: Path
) -> None:
    before = university.rows("enquiry", "SELECT id, due_on, clock_state FROM enquiry ORDER BY id")
    async with all_served(university, issuer, tmp_path) as clients:
        called = clients["enquiry"]
        listed = (await called.get("/enquiry/v1/enquiries", params={"overdue": "true", "count": "true"})).json()
        assert 0 < listed["count"] < 200
        for enquiry_id, due_on, state in before[::150]:
            explained = (await called.get(f"/enquiry/v1/enquiries/{enquiry_id}/clock")).json()
            assert explained["due_on"] == (due_on and due_on.isoformat())
            assert explained["stages"][-1]["state"] == state
