"""AuthZEN's Search APIs: who may, on which resources, what; page by page (Authorization API 1.0, section 8)."""

from typing import Any

import pytest

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

USERS = {"type": "user"}
ALICE = {"type": "user", "id": "alice"}
RECORD = {"type": "record", "id": "record-1"}
READ = {"name": "read"}


@pytest.fixture
async def records(campus: Any) -> Any:
    """Records that some may read, write where they are the owner, and that lie in two org units."""
    units = {name: (await campus.admin.made("/access/v1/org-units", name=name))["id"] for name in ("Science", "Arts")}
    physics = await campus.admin.made("/access/v1/org-units", name="Physics", parent=units["Science"])
    campus.ids |= units | {"Physics": physics["id"]}
    await campus.system("records")
    await campus.permission("records", "read", "record")
    await campus.permission("records", "write", "record", condition="resource.properties.owner == subject.id")
    await campus.role("records", "reader", "record.read")
    await campus.role("records", "writer", "record.write", inherits=[campus.ids["reader"]])
    await campus.register(
        "records", "record",
        **{
            "record-1": {"owner": "alice", "org_unit": campus.ids["Physics"]},
            "record-2": {"owner": "bob-7", "org_unit": campus.ids["Arts"]}, "record-3": {"environment": "test"},
        },
    )  # fmt: skip
    await campus.person("alice", "writer")
    await campus.person("bob", external_id="bob-7")
    await campus.give("bob", "reader", org_unit=campus.ids["Arts"])
    return campus


def named(found: dict[str, Any]) -> list[str]:
    return [one["id"] for one in found["results"]]


async def test_who_may(records: Any) -> None:
    asked = {"subject": USERS, "action": READ, "resource": RECORD}
    assert await records.search("subject", **asked) == {"results": [{"type": "user", "id": "alice"}]}
    there = {"type": "record", "id": "record-2"}
    assert named(await records.search("subject", **(asked | {"resource": there}))) == ["alice", "bob-7"]
    # An id is ignored, a context too where no condition looks at it.
    more = {"subject": {"type": "user", "id": "bob-7"}, "context": {"ip": "192.168.1.1"}, "resource": there}
    assert named(await records.search("subject", **(asked | more))) == ["alice", "bob-7"]


async def test_who_may_by_a_condition_and_through_a_group(records: Any) -> None:
    await records.person("carol")
    group = await records.admin.made("/access/v1/groups", name="Team")
    for one in ("bob", "carol"):
        await records.admin.post(f"/access/v1/groups/{group['id']}/members", json={"person": records.ids[one]})
    await records.give(group["id"], "writer")
    write = {"subject": USERS, "action": {"name": "write"}}
    for resource, who in (("record-1", ["alice"]), ("record-2", ["bob-7"]), ("record-3", []), ("record-9", [])):
        found = await records.search("subject", **write, resource={"type": "record", "id": resource})
        assert named(found) == who, resource
    said = {"type": "record", "id": "record-9", "properties": {"owner": "carol"}}
    assert named(await records.search("subject", **write, resource=said)) == ["carol"]
    await records.admin.post(f"/access/v1/people/{records.ids['carol']}/deactivate")
    assert named(await records.search("subject", **write, resource=said)) == []


async def test_programs_are_found_by_their_type(records: Any) -> None:
    account = await records.admin.made("/access/v1/service-accounts", name="portal")
    await records.give(account["id"], "reader")
    asked = {"subject": {"type": "service_account"}, "action": READ, "resource": RECORD}
    assert await records.search("subject", **asked) == {"results": [{"type": "service_account", "id": "portal"}]}
    assert await records.may("portal", "read", "record", subject_type="service_account")


async def test_one_is_called_by_what_finds_that_very_one_again(records: Any) -> None:
    """A user name that is another's id, and an external id that is, would find the other."""
    await records.person(records.ids["alice"].lower(), "reader")
    await records.person("bob-7", "reader")
    await records.person("dora", "reader", external_id="alice")
    asked = {"subject": USERS, "action": READ, "resource": RECORD}
    found = named(await records.search("subject", **asked))
    # Alice's user name is Dora's external id now; the other Bob's user name is Bob's.
    assert found == [records.ids["alice"], records.ids["alice"].lower(), records.ids["bob-7"], "alice"]
    for one in found:
        assert await records.may(one, "read", "record", "record-1"), one


async def test_on_which_resources(records: Any) -> None:
    asked = {"subject": ALICE, "action": READ, "resource": {"type": "record"}}
    found = await records.search("resource", **asked)
    assert found == {"results": [{"type": "record", "id": f"record-{n}"} for n in (1, 2, 3)]}
    ignored = {"resource": {"type": "record", "id": "record-1"}, "context": {"time": "1985"}}
    assert await records.search("resource", **(asked | ignored)) == found
    bob = {"type": "user", "id": "bob"}
    assert named(await records.search("resource", **(asked | {"subject": bob}))) == ["record-2"]
    assert named(await records.search("resource", **(asked | {"action": {"name": "write"}}))) == ["record-1"]
    for system, count in (("records", 3), (records.ids["records"], 3), ("library", 0)):
        narrowed = {"type": "record", "properties": {"system": system}}
        assert len(named(await records.search("resource", **(asked | {"resource": narrowed})))) == count


async def test_what_one_may_do(records: Any) -> None:
    asked = {"subject": ALICE, "resource": RECORD}
    assert await records.search("action", **asked) == {"results": [{"name": "read"}, {"name": "write"}]}
    asked["resource"] = {"type": "record", "id": "record-2"}
    assert await records.search("action", **asked) == {"results": [{"name": "read"}]}
    asked["subject"] = {"type": "user", "id": "bob-7"}
    assert await records.search("action", **asked, context={"x": 1}) == {"results": [{"name": "read"}]}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("subject", {"subject": {"type": "spaceship"}, "action": READ, "resource": RECORD}),
        ("subject", {"subject": USERS, "action": {"name": "eat"}, "resource": RECORD}),
        ("subject", {"subject": USERS, "action": READ, "resource": {"type": "cake", "id": "1"}}),
        ("resource", {"subject": ALICE, "action": READ, "resource": {"type": "cake"}}),
        ("resource", {"subject": {"type": "user", "id": "nobody"}, "action": READ, "resource": {"type": "record"}}),
        ("resource", {"subject": {"type": "ship", "id": "alice"}, "action": READ, "resource": {"type": "record"}}),
        ("action", {"subject": {"type": "user", "id": "nobody"}, "resource": RECORD}),
        ("action", {"subject": {"type": "ship", "id": "alice"}, "resource": RECORD}),
        ("action", {"subject": ALICE, "resource": {"type": "cake", "id": "1"}}),
    ],
)
async def test_what_is_not_known_finds_nothing(records: Any, kind: str, body: dict[str, Any]) -> None:
    assert await records.search(kind, **body) == {"results": []}


_NO_PAGES: list[Any] = [
    [], None, {"limit": -1}, {"limit": None}, {"limit": "1"}, {"limit": 1.5}, {"limit": True}, {"properties": []},
    {"token": None}, {"token": 1}, {"token": "x"}, {"token": "bnVsbA=="}, {"token": ""}, {"token": "W1s4XSwxLDJd"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("subject", {"subject": USERS, "resource": RECORD}), ("subject", {"action": READ, "resource": RECORD}),
        ("subject", {"subject": USERS, "action": READ, "resource": {"type": "record"}}),
        ("subject", {"subject": {}, "action": READ, "resource": RECORD}),
        ("resource", {"action": READ, "resource": {"type": "record"}}),
        ("resource", {"subject": ALICE, "action": READ}),
        ("resource", {"subject": USERS, "action": READ, "resource": {"type": "record"}}),
        ("resource", {"subject": ALICE, "action": READ, "resource": {"id": "record-1"}}),
        ("action", {"subject": ALICE}), ("action", {"subject": USERS, "resource": RECORD}),
        ("action", {"subject": ALICE, "resource": {"type": "record"}}),
        *(("action", {"subject": ALICE, "resource": RECORD, "page": page}) for page in _NO_PAGES),
    ],
)  # fmt: skip
async def test_what_is_no_search_is_400(admin: Client, kind: str, body: dict[str, Any]) -> None:
    answer = await admin.post(f"/access/v1/search/{kind}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request"), answer.text


# Pages


async def test_pages_follow_each_other_to_an_empty_token(records: Any) -> None:
    for name in "dcefg":
        await records.person(name, "reader")
    searches: dict[str, dict[str, Any]] = {
        "subject": {"subject": USERS, "action": READ, "resource": RECORD},
        "resource": {"subject": ALICE, "action": READ, "resource": {"type": "record"}},
        "action": {"subject": ALICE, "resource": RECORD},
    }
    for kind, asked in searches.items():
        whole = (await records.search(kind, **asked))["results"]
        for limit in (1, 2, len(whole)):
            found: list[Any] = []
            page: dict[str, Any] = {"limit": limit}
            while True:
                answer = await records.search(kind, **asked, page=page)
                assert list(answer) == ["page", "results"]
                assert answer["page"]["count"] == len(answer["results"]) <= limit
                found += answer["results"]
                if not answer["page"]["next_token"]:
                    break
                page = {"token": answer["page"]["next_token"]}
            assert found == whole, (kind, limit)


async def test_a_limit_of_nothing_finds_nothing_and_says_that_there_is_more(records: Any) -> None:
    asked = {"subject": USERS, "action": READ, "resource": RECORD}
    empty = await records.search("subject", **asked, page={"limit": 0})
    assert (empty["results"], empty["page"]["count"], bool(empty["page"]["next_token"])) == ([], 0, True)
    nobody = await records.search("subject", **(asked | {"action": {"name": "eat"}}), page={"limit": 0})
    assert nobody == {"page": {"next_token": "", "count": 0}, "results": []}


async def test_a_token_is_for_the_question_that_it_was_given_for(records: Any) -> None:
    await records.person("dora", "reader")
    asked = {"subject": USERS, "action": READ, "resource": RECORD}
    token = (await records.search("subject", **asked, page={"limit": 1}))["page"]["next_token"]
    assert named(await records.search("subject", **asked, page={"limit": 1, "token": token})) == ["dora"]
    changes: list[dict[str, Any]] = [
        {"page": {"token": token, "limit": 2}}, {"context": {"x": 1}}, {"action": {"name": "write"}},
        {"page": {"token": token, "properties": {"sort": "x"}}}, {"resource": RECORD | {"id": "record-2"}},
    ]  # fmt: skip
    for change in changes:
        body = asked | {"page": {"token": token}} | change
        assert (await records.admin.post("/access/v1/search/subject", json=body)).status_code == 400, change
    other = {"subject": ALICE, "action": READ, "resource": {"type": "record"}, "page": {"token": token}}
    assert (await records.admin.post("/access/v1/search/resource", json=other)).status_code == 400


async def test_a_page_ends_where_enough_was_weighed_and_the_next_goes_on(
    records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("access_service.searching.pages.MOST_WEIGHED", 4)
    monkeypatch.setattr("access_service.searching.pages._AT_ONCE", 2)
    await records.register(
        "records", "record", **{f"x{n:02}": {"owner": "nobody"} for n in range(12)}, z={"owner": "alice"}
    )
    asked: dict[str, Any] = {"subject": ALICE, "action": {"name": "write"}, "resource": {"type": "record"}}
    found: list[str] = []
    page: dict[str, Any] = {"limit": 1}
    pages = 0
    while pages < 20:
        pages += 1
        answer = await records.search("resource", **asked, page=page)
        found += named(answer)
        page = {"token": answer["page"]["next_token"]}
        if not page["token"]:
            break
    assert (found, pages > 3) == (["record-1", "z"], True)
