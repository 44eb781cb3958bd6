"""A system's catalogue out as a document and in again: nothing lost, nothing half-done."""

import contextlib
import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Response
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text

from access_service import bootstrap, rights
from access_service.catalogue import csv_form, json_form
from access_service.catalogue.document import CatalogueDocument, PermissionEntry, RoleEntry
from lodge_kit.problems import Invalid, MalformedJson
from lodge_kit.testing.client import Client
from lodge_kit.texts import Name

pytestmark = pytest.mark.anyio

_keys = (f"system-{number}" for number in itertools.count())
HEADER = ",".join(csv_form.COLUMNS)


class Catalogue:
    """A system's catalogue, and what can be done with it."""

    def __init__(self, admin: Client, system: Mapping[str, Any]) -> None:
        self.admin = admin
        self.system = system
        self.path = f"/access/v1/systems/{system['id']}/catalogue"

    @classmethod
    async def new(cls, admin: Client) -> "Catalogue":
        return cls(admin, await admin.made("/access/v1/systems", key=next(_keys), name="Student Records"))

    async def out(self, accept: str = "application/json") -> Response:
        answer = await self.admin.get(self.path, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        return answer

    async def send(self, body: Any, *, tag: str | None = "*", by: Client | None = None, **params: Any) -> Response:
        """Take it in: a dict as JSON, a text or bytes as CSV."""
        headers = {"If-Match": tag} if tag else {}
        client = by or self.admin
        if isinstance(body, dict):
            return await client.post(self.path, json=body, params=params, headers=headers)
        return await client.post(
            self.path, content=body, params=params, headers=headers | {"Content-Type": "text/csv; charset=utf-8"}
        )

    async def take(self, body: Any, **params: Any) -> dict[str, Any]:
        answer = await self.send(body, **params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def role(self, name: str) -> dict[str, Any]:
        found = (await self.admin.get("/access/v1/roles", params={"system": self.system["id"], "limit": 200})).json()
        return next(one for one in found["items"] if one["name"] == name)


@pytest.fixture
async def catalogue(admin: Client) -> Catalogue:
    return await Catalogue.new(admin)


RECORDS: dict[str, Any] = {
    "permissions": [
        {"name": "record.read", "action": "read", "resource_type": "record", "supplier_code": "SRS-10"},
        {
            "name": "record.amend", "action": "amend", "resource_type": "record", "module": "Registry",
            "condition": "resource.properties.owner == subject.email", "request_wins": True,
        },
    ],
    "roles": [
        {"name": "Viewer", "permissions": ["record.read"]},
        {"name": "Clerk", "permissions": ["record.amend"], "inherits": ["Viewer"], "description": "Amends."},
    ],
}  # fmt: skip


def csv_of(*rows: Mapping[str, str], columns: Sequence[str] = csv_form.COLUMNS) -> str:
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


PERMISSION = {"kind": "permission", "name": "record.read", "action": "read", "resource_type": "record"}


async def test_a_dry_run_says_what_would_change_and_changes_nothing(catalogue: Catalogue) -> None:
    before = (await catalogue.out()).headers["etag"]
    would = await catalogue.take(RECORDS, dry_run=True, tag=None)
    assert [(one["kind"], one["name"]) for one in would["added"]] == [
        ("permission", "record.read"), ("permission", "record.amend"), ("role", "Viewer"), ("role", "Clerk"),
    ]  # fmt: skip
    assert (would["changed"], would["retired"], would["unchanged"]) == ([], [], {"permissions": 0, "roles": 0})
    assert (would["dry_run"], would["etag"]) == (True, before)
    out = await catalogue.out()
    assert (out.headers["etag"], out.json()) == (before, {"permissions": [], "roles": []})
    done = await catalogue.take(RECORDS, tag=before)
    assert {key: done[key] for key in ("added", "changed", "retired", "unchanged")} == {
        key: would[key] for key in ("added", "changed", "retired", "unchanged")
    }
    assert done["etag"] == (await catalogue.out()).headers["etag"] != before
    clerk = await catalogue.role("Clerk")
    assert clerk["inherits"] == [(await catalogue.role("Viewer"))["id"]]
    assert len(clerk["permissions"]) == 1


async def test_what_changes_is_told_with_what_it_was(catalogue: Catalogue, admin: Client) -> None:
    await catalogue.take(RECORDS)
    await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    changed = {
        "permissions": [{"name": "record.read", "supplier_code": None}, {"name": "record.amend", "state": "retired"}],
        "roles": [{"name": "Clerk", "owner": "ASmith", "permissions": ["record.read", "record.amend"]}],
    }
    done = await catalogue.take(changed)
    assert done["added"] == []
    assert done["changed"] == [
        {
            "kind": "permission",
            "name": "record.read",
            "fields": [{"name": "supplier_code", "old": "SRS-10", "new": None}],
        },
        {
            "kind": "role",
            "name": "Clerk",
            "fields": [
                {"name": "owner", "old": None, "new": "asmith"},
                {"name": "permissions", "old": ["record.amend"], "new": ["record.read", "record.amend"]},
            ],
        },
    ]
    assert [(one["name"], one["fields"]) for one in done["retired"]] == [
        ("record.amend", [{"name": "state", "old": "active", "new": "retired"}])
    ]
    assert done["unchanged"] == {"permissions": 0, "roles": 1}
    clerk = await catalogue.role("Clerk")
    assert (clerk["owner"]["name"], clerk["description"]) == ("Alice Smith", "Amends.")


async def test_what_is_left_out_stays_and_is_retired_where_that_is_asked(catalogue: Catalogue) -> None:
    await catalogue.take(RECORDS)
    part = {"permissions": RECORDS["permissions"][:1], "roles": RECORDS["roles"][:1]}
    assert (await catalogue.take(part))["retired"] == []
    only_permissions = await catalogue.take({"permissions": RECORDS["permissions"]}, retire_missing=True, dry_run=True)
    assert (only_permissions["retired"], only_permissions["unchanged"]) == ([], {"permissions": 2, "roles": 2})
    done = await catalogue.take(part, retire_missing=True)
    assert [(one["kind"], one["name"]) for one in done["retired"]] == [
        ("permission", "record.amend"),
        ("role", "Clerk"),
    ]
    assert (await catalogue.role("Clerk"))["state"] == "retired"
    back = await catalogue.take(RECORDS)
    assert back["changed"] == []  # it does not say that they are active
    active = {"roles": [{"name": "Clerk", "state": "active"}]}
    assert [one["fields"] for one in (await catalogue.take(active))["changed"]] == [
        [{"name": "state", "old": "retired", "new": "active"}]
    ]


async def test_a_change_since_the_dry_run_is_noticed(catalogue: Catalogue, admin: Client) -> None:
    await catalogue.take(RECORDS)
    seen = (await catalogue.take({"roles": [{"name": "Clerk", "description": "New."}]}, dry_run=True))["etag"]
    clerk = await catalogue.role("Clerk")
    path = f"/access/v1/roles/{clerk['id']}"
    await admin.patch(path, json={"permissions": []}, headers={"If-Match": clerk["etag"]})
    late = await catalogue.send({"roles": [{"name": "Clerk", "description": "New."}]}, tag=seen)
    assert (late.status_code, late.json()["code"]) == (412, "etag-stale")
    missing = await catalogue.send(RECORDS, tag=None)
    assert (missing.status_code, missing.json()["code"]) == (428, "if-match-required")
    assert (await catalogue.role("Clerk"))["description"] == "Amends."


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
async def test_what_was_taken_out_changes_nothing_when_taken_in(
    catalogue: Catalogue, admin: Client, app: FastAPI, accept: str
) -> None:
    person = await admin.made("/access/v1/people", user_name="per_01J0000000000000000000EV1L", name="Named like an id")
    await catalogue.take(RECORDS)
    await catalogue.take({"roles": [{"name": "Clerk", "owner": person["id"], "state": "retired"}]})
    out = await catalogue.out(accept)
    body = out.json() if accept.endswith("json") else out.content
    for retire_missing in (False, True):
        done = await catalogue.take(body, tag=out.headers["etag"], retire_missing=retire_missing)
        assert (done["added"], done["changed"], done["retired"]) == ([], [], [])
        assert (done["unchanged"], done["etag"]) == ({"permissions": 2, "roles": 2}, out.headers["etag"])
    async with app.state.world.database.transaction() as session:
        counted = await session.execute(text("SELECT count(*) FROM audit_event WHERE action = 'catalogue.imported'"))
        assert counted.scalar_one() == 2
    again = await admin.get(catalogue.path, headers={"Accept": accept, "If-None-Match": out.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_as_csv_a_row_is_a_permission_a_role_or_a_link(catalogue: Catalogue) -> None:
    await catalogue.take(RECORDS)
    out = await catalogue.out("text/csv")
    assert out.headers["content-type"].startswith("text/csv")
    assert "-catalogue.csv" in out.headers["content-disposition"]
    assert out.text.split("\r\n") == [
        HEADER,
        "permission,record.amend,,active,,Registry,amend,record,,resource.properties.owner == subject.email,true,",
        "permission,record.read,,active,,,read,record,SRS-10,,false,",
        "role,Clerk,,active,Amends.,,,,,,,",
        "contains,Clerk,record.amend,,,,,,,,,",
        "inherits,Clerk,Viewer,,,,,,,,,",
        "role,Viewer,,active,,,,,,,,",
        "contains,Viewer,record.read,,,,,,,,,",
        "",
    ]
    # As a spreadsheet saves it: a byte order mark, an empty row, the columns in another order, and fewer.
    short = "\ufeffname,kind,linked\r\nClerk,role,\r\n,,\r\nClerk,contains,record.read\r\n"
    done = await catalogue.take(short)
    assert [one["fields"] for one in done["changed"]] == [
        [
            {"name": "permissions", "old": ["record.amend"], "new": ["record.read"]},
            {"name": "inherits", "old": ["Viewer"], "new": []},
        ]
    ]
    untouched = await catalogue.take("kind,name,description\r\nrole,Clerk,Reads.\r\n")
    assert [one["fields"][0]["name"] for one in untouched["changed"]] == ["description"]


async def test_a_document_without_conditions_leaves_them_alone(catalogue: Catalogue) -> None:
    await catalogue.take(RECORDS)
    older = [name for name in csv_form.COLUMNS if name not in ("condition", "request_wins")]
    told = {"kind": "permission", "name": "record.amend", "action": "amend", "resource_type": "record"}
    amend = {"name": "record.amend", "action": "amend", "resource_type": "record"}
    for body in (csv_of(told | {"module": "Registry"}, columns=older), {"permissions": [amend]}):
        assert (await catalogue.take(body))["changed"] == []
    # An empty cell clears a condition, and says nothing of who wins.
    done = await catalogue.take(csv_of(told | {"module": "Registry"}))
    assert [one["fields"] for one in done["changed"]] == [
        [{"name": "condition", "old": "resource.properties.owner == subject.email", "new": None}]
    ]
    done = await catalogue.take(csv_of(told | {"module": "Registry", "condition": "true", "request_wins": "FALSE"}))
    assert [one["fields"] for one in done["changed"]] == [
        [{"name": "condition", "old": None, "new": "true"}, {"name": "request_wins", "old": True, "new": False}]
    ]


async def test_a_condition_taken_in_is_asked_from_then_on(catalogue: Catalogue, admin: Client) -> None:
    person = await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    permission = {"name": "paper.mark", "action": "mark", "resource_type": "paper"}
    await catalogue.take({"permissions": [permission], "roles": [{"name": "Marker", "permissions": ["paper.mark"]}]})
    await admin.made("/access/v1/grants", subject=person["id"], role=(await catalogue.role("Marker"))["id"])

    async def may_mark(owner: str) -> bool:
        asked = {
            "subject": {"type": "user", "id": person["id"]}, "action": {"name": "mark"},
            "resource": {"type": "paper", "id": "1", "properties": {"owner": owner}},
        }  # fmt: skip
        return bool((await admin.post("/access/v1/evaluation", json=asked)).json()["decision"])

    assert await may_mark("someone else")
    await catalogue.take({"permissions": [{"name": "paper.mark", "condition": "resource.properties.owner == 'me'"}]})
    assert (await may_mark("me"), await may_mark("someone else")) == (True, False)
    await catalogue.take({"permissions": [{"name": "paper.mark", "condition": None}]})
    assert await may_mark("someone else")


async def test_a_cell_is_guarded_against_formulas_and_comes_back_as_it_was(catalogue: Catalogue) -> None:
    names = ["=HYPERLINK(1)", "'=x", "''+x", "'plain", "-3", "@", "+", "'"]
    told = {"permissions": [{"name": name, "action": "a", "resource_type": "b"} for name in names]}
    await catalogue.take(told)
    out = await catalogue.out("text/csv")
    cells = [row["name"] for row in csv.DictReader(io.StringIO(out.text, newline=""))]
    assert not [cell for cell in cells if cell[:1] in "=+-@"]
    assert {"'=HYPERLINK(1)", "''=x", "'plain", "'"} < set(cells)
    done = await catalogue.take(out.content, retire_missing=True)
    assert done["unchanged"] == {"permissions": len(names), "roles": 0}


WRONG_JSON: list[tuple[Any, str, str]] = [
    ({"permissions": [{"name": "x", "action": "a"}]}, "/permissions/0/resource_type", "missing"),
    ({"permissions": [{"nam": "x"}]}, "/permissions/0/name", "missing"),
    ({"permissions": [{"name": "record.read", "colour": "red"}]}, "/permissions/0/colour", "extra-forbidden"),
    ({"permissions": [{"name": "record.read", "module": "a\0b"}]}, "/permissions/0/module", "nul"),
    ({"permissions": [{"name": "record.read", "state": "draft"}]}, "/permissions/0/state", "literal-error"),
    ({"permissions": [{"name": "record.read", "action": ""}]}, "/permissions/0/action", "blank"),
    (
        {"permissions": [{"name": "record.read", "condition": "subject.email =="}]},
        "/permissions/0/condition",
        "condition",
    ),
    (
        {"permissions": [{"name": "record.read", "condition": "1" + " + 1" * 60}]},
        "/permissions/0/condition",
        "condition",
    ),
    (
        {"permissions": [{"name": "record.read", "condition": " " * 5_000}]},
        "/permissions/0/condition",
        "string-too-long",
    ),
    ({"permissions": [{"name": "record.read", "condition": ""}]}, "/permissions/0/condition", "string-too-short"),
    (
        {"permissions": [{"name": "record.read", "request_wins": "maybe"}]},
        "/permissions/0/request_wins",
        "bool-parsing",
    ),
    ({"permissions": [{"name": "record.read", "request_wins": None}]}, "/permissions/0/request_wins", "bool-type"),
    ({"permissions": [{"name": " \u200b"}]}, "/permissions/0/name", "blank"),
    ({"permissions": [{"name": "a\nb"}]}, "/permissions/0/name", "not-one-line"),
    ({"permissions": [{"name": "record.read"}] * 2}, "/permissions/1/name", "duplicate"),
    ({"roles": [{"name": "Viewer"}, {"name": "Viewer"}]}, "/roles/1/name", "duplicate"),
    ({"roles": [{"name": "Viewer", "permissions": ["record.eat"]}]}, "/roles/0/permissions/0", "unknown-name"),
    ({"roles": [{"name": "Viewer", "inherits": ["Clerk", "Boss"]}]}, "/roles/0/inherits/1", "unknown-name"),
    ({"roles": [{"name": "Viewer", "permissions": ["record.read"] * 2}]}, "/roles/0/permissions/1", "duplicate"),
    ({"roles": [{"name": "Viewer", "inherits": ["Clerk"]}]}, "/roles/0/inherits/0", "inheritance-circle"),
    ({"roles": [{"name": "New", "inherits": ["New"]}]}, "/roles/0/inherits/0", "inheritance-circle"),
    ({"roles": [{"name": "Viewer", "owner": "nobody"}]}, "/roles/0/owner", "unknown-person"),
    ({"roles": [{"name": "Viewer", "state": "draft"}]}, "/roles/0/state", "order"),
    ({"roles": {}}, "/roles", "list-type"),
    ({"role": []}, "/role", "extra-forbidden"),
]


@pytest.mark.parametrize(("body", "pointer", "code"), WRONG_JSON)
async def test_what_is_wrong_in_json_is_pointed_at_and_nothing_is_done(
    catalogue: Catalogue, body: dict[str, Any], pointer: str, code: str
) -> None:
    await catalogue.take(RECORDS)
    before = await catalogue.out()
    good = {"name": "also.new", "action": "a", "resource_type": "b"}
    sent = body | {"permissions": [*body.get("permissions", ()), good]}
    for dry_run in (True, False):
        answer = await catalogue.send(sent, dry_run=dry_run)
        assert answer.status_code == 422, answer.text
        assert (pointer, code) in [(one["pointer"], one["code"]) for one in answer.json()["errors"]], answer.text
        assert pointer in answer.json()["detail"]
    assert (await catalogue.out()).headers["etag"] == before.headers["etag"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "line 1 column 1"),
        (b'{"roles": [\n  {"name": \xff}]}', "line 2"),
        (b'{"roles": [{"name": "\\ud800"}]}', "line 1"),
        (b"", "line 1 column 0"),
    ],
)
async def test_what_is_no_json_is_400_with_line_and_column(catalogue: Catalogue, body: bytes, place: str) -> None:
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    answer = await catalogue.admin.post(catalogue.path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")
    assert place in answer.json()["detail"]


WRONG_CSV: list[tuple[str | bytes, str, str]] = [
    (csv_of(PERMISSION, columns=[*csv_form.COLUMNS, "colour"]), "line/1/column/colour", "unknown-column"),
    ("kind;name;linked\r\nrole;Viewer;\r\n", "line/1/column/kind;name;linked", "unknown-column"),
    ("kind,name,name\r\n", "line/1/column/name", "duplicate"),
    ("name,state\r\nViewer,active\r\n", "line/1/column/kind", "missing"),
    ("", "line/1", "missing"),
    ("kind,name\r\nrole,Viewer,more\r\n", "line/2", "wrong-number-of-cells"),
    ("kind,name\r\nrolle,Viewer\r\n", "line/2/column/kind", "unknown-kind"),
    ("kind,name\r\nrole,\r\n", "line/2/column/name", "blank"),
    ('kind,name\r\nrole,"Viewer"er\r\n', "line/2", "not-csv"),
    ('kind,name\r\nrole,"Viewer\r\n', "line/2", "not-csv"),
    (csv_of(PERMISSION | {"module": "a\0b"}), "line/2/column/module", "nul"),
    (csv_of(PERMISSION | {"state": "draft"}), "line/2/column/state", "literal-error"),
    (csv_of(PERMISSION | {"condition": "subject.email\n== =="}), "line/2/column/condition", "condition"),
    (csv_of(PERMISSION | {"condition": "[1].matches(1)"}), "line/2/column/condition", "condition"),
    (csv_of({}, PERMISSION | {"condition": "1" + " + 1" * 60}), "line/3/column/condition", "condition"),
    (csv_of(PERMISSION | {"request_wins": "maybe"}), "line/2/column/request_wins", "bool-parsing"),
    (csv_of({"kind": "role", "name": "Viewer", "request_wins": "false"}), "line/2/column/request_wins", "not-empty"),
    (csv_of(PERMISSION | {"owner": "asmith"}), "line/2/column/owner", "not-empty"),
    (csv_of(PERMISSION, {}, PERMISSION), "line/4/column/name", "duplicate"),
    (csv_of({"kind": "permission", "name": "new"}), "line/2/column/action", "missing"),
    (csv_of({"kind": "role", "name": "Viewer", "owner": "nobody"}), "line/2/column/owner", "unknown-person"),
    (csv_of({"kind": "contains", "name": "Boss", "linked": "record.read"}), "line/2/column/name", "unknown-role"),
    (
        csv_of({"kind": "role", "name": "Viewer"}, {"kind": "contains", "name": "Viewer", "linked": "record.eat"}),
        "line/3/column/linked",
        "unknown-name",
    ),
    (
        csv_of({"kind": "role", "name": "Viewer"}, {"kind": "contains", "name": "Viewer"}),
        "line/3/column/linked",
        "blank",
    ),
    (
        csv_of(
            {"kind": "inherits", "name": "Viewer", "linked": "Clerk"},
            {"kind": "role", "name": "Viewer", "description": "Two\nlines"},
            {"kind": "contains", "name": "Viewer", "linked": "record.read"},
            {"kind": "contains", "name": "Viewer", "linked": "record.read"},
        ),
        "line/6/column/linked",
        "duplicate",
    ),
    (
        csv_of(
            {"kind": "role", "name": "Viewer", "description": "Two\nlines"},
            {"kind": "inherits", "name": "Viewer", "linked": "Clerk"},
        ),
        "line/4/column/linked",
        "inheritance-circle",
    ),
    (b"kind,name\r\nrole,Viewer\r\nrole,Vi\xffewer\r\n", "line/3", "not-utf-8"),
    ("kind,name\r\n" + "role,Viewer\r\n" * 20_001, "line/20002", "too-many"),
]


@pytest.mark.parametrize(("body", "pointer", "code"), WRONG_CSV, ids=[f"{one[1]} {one[2]}" for one in WRONG_CSV])
async def test_what_is_wrong_in_csv_is_told_by_line_and_column_and_nothing_is_done(
    catalogue: Catalogue, body: str | bytes, pointer: str, code: str
) -> None:
    await catalogue.take(RECORDS)
    before = await catalogue.out()
    answer = await catalogue.send(body)
    assert answer.status_code == 422, answer.text
    assert (pointer, code) in [(one["pointer"], one["code"]) for one in answer.json()["errors"]], answer.text
    assert f"Line {pointer.split('/')[1]}" in answer.json()["detail"]
    assert (await catalogue.out()).headers["etag"] == before.headers["etag"]


async def test_all_that_is_wrong_is_told_at_once(catalogue: Catalogue) -> None:
    rows = [{"kind": "permission", "name": f"p{number}"} for number in range(3)]
    answer = await catalogue.send(csv_of(*rows))
    assert [one["pointer"] for one in answer.json()["errors"]].count("line/3/column/action") == 1
    assert len(answer.json()["errors"]) == 6
    assert "There are 5 more" in answer.json()["detail"]


async def test_a_link_to_what_is_retired_is_refused_unless_the_document_says_so(catalogue: Catalogue) -> None:
    await catalogue.take(RECORDS)
    await catalogue.take({"permissions": [{"name": "record.amend", "state": "retired"}]})
    refused = await catalogue.send({"roles": [{"name": "Viewer", "permissions": ["record.amend"]}]})
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [
        ("/roles/0/permissions/0", "retired")
    ]
    said = {"permissions": [{"name": "record.amend", "state": "retired"}]}
    await catalogue.take(said | {"roles": [{"name": "Viewer", "permissions": ["record.amend"]}]})


async def test_a_document_that_is_too_large_or_of_another_kind_is_refused(catalogue: Catalogue) -> None:
    large = await catalogue.send(HEADER + "\r\n" + "x" * 2_000_001)
    assert (large.status_code, large.json()["code"]) == (413, "content-too-large")
    for kind in ("application/xml", "text/csv; charset=latin-1", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind, "If-Match": "*"}
        answer = await catalogue.admin.post(catalogue.path, content=b"kind,name", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type"), kind


async def test_lodges_own_catalogue_goes_out_but_not_in(app: FastAPI, admin: Client) -> None:
    async with app.state.world.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=app.state.world.clock())
    lodge = (await admin.get("/access/v1/systems", params={"key": "lodge"})).json()["items"][0]
    catalogue = Catalogue(admin, lodge)
    out = await catalogue.out()
    assert {one["name"] for one in out.json()["permissions"]} == {one.name for one in rights.ALL}
    for body in (RECORDS, out.json()):
        answer = await catalogue.send(body)
        assert (answer.status_code, answer.json()["code"]) == (409, "lodges-own")


async def test_only_who_writes_the_catalogue_everywhere_takes_one_in(catalogue: Catalogue, client: Client) -> None:
    reader = client.acting("per_01J0000000000000000000READ", [rights.CATALOGUE_READ])
    assert (await reader.get(catalogue.path)).status_code == 200
    assert (await catalogue.send(RECORDS, by=reader)).status_code == 403
    assert (await client.acting("per_01J0000000000000000000READ").get(catalogue.path)).status_code == 403


async def test_the_same_idempotency_key_takes_it_in_once(catalogue: Catalogue, admin: Client) -> None:
    headers = {"Idempotency-Key": "k1", "If-Match": (await catalogue.out()).headers["etag"]}
    first = await admin.post(catalogue.path, json=RECORDS, headers=headers)
    second = await admin.post(catalogue.path, json=RECORDS, headers=headers)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()


# -- laws


def readable(name: str) -> bool:
    """Say whether a permission or role may be called so."""
    try:
        return bool(TypeAdapter(Name).validate_python(name))
    except ValidationError:
        return False


awkward = st.one_of(
    st.sampled_from(
        ["=1+1", "'=1", "''@", "'", '"', ",", ";", "\n", "\r", "a\r\nb", " x ", "\ufeff", "é", "e\u0301", "😀"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
names = awkward.map(str.strip).filter(readable)
conditions = st.none() | st.sampled_from(
    [
        "true",
        "-1 < 0",
        "  'a,\"b' == subject.email",
        "resource.properties.owner\n == subject.email // mine\r\n",
        "[1, 2].all(n, n > 0)",
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> CatalogueDocument:
    """Draw a catalogue: roles inherit from roles before them only, so never in a circle."""
    permissions = [
        PermissionEntry(
            name=name, state=draw(st.sampled_from(["active", "retired"])), description=draw(awkward),
            module=draw(awkward), action=draw(names), resource_type=draw(names),
            supplier_code=draw(st.none() | names), condition=draw(conditions), request_wins=draw(st.booleans()),
        )
        for name in draw(st.lists(names, unique=True, max_size=5))
    ]  # fmt: skip
    roles: list[RoleEntry] = []
    for name in draw(st.lists(names, unique=True, max_size=5)):
        contained = [one.name for one in permissions if draw(st.booleans())]
        inherited = [one.name for one in roles if draw(st.booleans())]
        state = draw(st.sampled_from(["draft", "active", "retired"]))
        role = RoleEntry(name=name, state=state, description=draw(awkward), owner=None, permissions=contained)
        roles.append(role.model_copy(update={"inherits": inherited}))
    return CatalogueDocument(permissions=permissions, roles=roles)


def plain(document: Any) -> Any:
    """Compare documents whatever the order of what is in them."""
    return {
        kind: sorted(
            ({key: sorted(value) if isinstance(value, list) else value for key, value in one.items()} for one in ones),
            key=lambda one: str(one["name"]),
        )
        for kind, ones in document.items()
    }


@given(documents())
def test_what_is_written_as_csv_or_json_is_read_as_it_was(document: CatalogueDocument) -> None:
    for read in (
        csv_form.read(csv_form.write(document).encode()),
        json_form.read(document.model_dump_json().encode()),
    ):
        assert read.permissions is not None
        assert read.roles is not None
        assert [one.entry for one in read.permissions] == document.permissions
        assert [one.entry for one in read.roles] == document.roles


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda rows: f"kind,name\n{rows}".encode(errors="replace")))
def test_whatever_is_sent_is_read_or_refused(body: bytes) -> None:
    for read in (csv_form.read, json_form.read):
        with contextlib.suppress(Invalid, MalformedJson):
            read(body)


@examples(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=documents(), second=documents())
async def test_a_catalogue_taken_in_comes_out_as_it_was_and_in_again_as_nothing(
    admin: Client, first: CatalogueDocument, second: CatalogueDocument
) -> None:
    catalogue = await Catalogue.new(admin)
    await catalogue.take(first.model_dump())
    out = await catalogue.out()
    assert plain(out.json()) == plain(first.model_dump())
    table = await catalogue.out("text/csv")
    for body in (out.json(), table.content):
        done = await catalogue.take(body, tag=out.headers["etag"], retire_missing=True)
        assert (done["added"], done["changed"], done["retired"], done["etag"]) == ([], [], [], out.headers["etag"])
    # Another document over it, as CSV: after it all that it says is so, whatever was there.
    drafts = {one.name for one in second.roles if one.state == "draft"} & {one.name for one in first.roles}
    over = second.model_copy(update={"roles": [one for one in second.roles if one.name not in drafts]})
    over.roles = [
        one.model_copy(update={"inherits": [n for n in one.inherits if n not in drafts]}) for one in over.roles
    ]
    answer = await catalogue.send(csv_form.write(over), retire_missing=True)
    if answer.status_code == 422:  # with what it leaves in place it would make a circle
        assert {one["code"] for one in answer.json()["errors"]} == {"inheritance-circle"}
        return
    found = (await catalogue.out()).json()
    said = plain(over.model_dump())
    for kind in ("permissions", "roles"):
        by_name = {one["name"]: one for one in plain(found)[kind]}
        assert [by_name[one["name"]] for one in said[kind]] == said[kind]
        rest = by_name.keys() - {one["name"] for one in said[kind]}
        assert {by_name[name]["state"] for name in rest} <= {"retired"}
