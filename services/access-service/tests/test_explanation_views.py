"""An explanation tells what its asker may read otherwise, and no more; to everybody, why one's own decisions are so."""

from datetime import timedelta
from typing import Any, Literal

import pytest

from access_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

READS = (rights.GRANTS_READ, rights.CATALOGUE_READ, rights.PEOPLE_READ)
CONDITION = "resource.properties.owner == subject.user_name"


@pytest.fixture
async def campus(campus: Any, time: Any) -> Any:
    """Records with an owner and a secret, registered in Arts and in live; Ann is a clerk in Science only."""
    for name in ("Science", "Arts"):
        campus.ids[name] = (await campus.admin.made("/access/v1/org-units", name=name))["id"]
    await campus.person("olga")
    await campus.system("records", owner=campus.ids["olga"])
    await campus.permission("records", "amend", "record")
    await campus.permission("records", "shred", "record")
    await campus.role("records", "clerk", "record.amend")
    await campus.role("records", "shredder", "record.shred")
    place = {"org_unit": campus.ids["Arts"], "environment": "live"}
    await campus.register("records", "record", r1={**place, "owner": "somebody-else", "secret": "x"})
    await campus.person("ann", org_unit=campus.ids["Science"])
    time.now += timedelta(days=1)
    return campus


async def told(by: Client, action: str = "amend", *, subject: str = "me", status: int = 200, **more: Any) -> Any:
    params = {"subject": subject, "action": action, "resource_type": "record", "resource_id": "r1"} | more
    answer = await by.get("/access/v1/explain", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


async def changed(campus: Any, path: str, **body: Any) -> None:
    answer = await campus.admin.patch(f"/access/v1/{path}", json=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def test_where_a_system_registered_a_thing_is_told_to_who_may_read_that(campus: Any, client: Client) -> None:
    ann, olga, ids = client.acting(campus.ids["ann"]), client.acting(campus.ids["olga"]), campus.ids
    for subject in ("ann", "olga"):
        await campus.give(subject, "clerk", org_unit=ids["Science"])
    found = await told(ann, org_unit=ids["Science"])
    assert (found["decision"], found["reason"]) == (False, "other-org-unit")
    assert found["sentence"].endswith("is held for Science only, and Records has r1 registered as being elsewhere.")
    assert "Arts" not in str(found)
    assert (await told(olga))["sentence"].endswith("clerk is held for Science only, not for Arts.")
    reader = client.acting(ids["ann"], [rights.CATALOGUE_READ])
    assert (await told(reader))["sentence"].endswith("clerk is held for Science only, not for Arts.")


async def test_so_it_is_with_the_installation_that_a_thing_is_in(campus: Any, client: Client) -> None:
    ann, olga = client.acting(campus.ids["ann"]), client.acting(campus.ids["olga"])
    for subject in ("ann", "olga"):
        await campus.give(subject, "clerk", environment="training")
    found = await told(ann, environment="training")
    assert (found["decision"], found["reason"]) == (False, "other-environment")
    assert found["sentence"].endswith("in training only, and Records has r1 registered as being elsewhere.")
    assert "live" not in str(found)
    assert (await told(olga))["sentence"].endswith("clerk is held in training only, not in live.")


async def test_what_is_not_registered_looks_as_what_is(campus: Any, client: Client) -> None:
    ids = campus.ids
    await campus.give("ann", "clerk")
    await changed(campus, f"permissions/{ids['record.amend']}", condition=f"{CONDITION} || has(context.x)")

    async def saw(by: Client, resource: str, **more: str) -> dict[str, str]:
        asked = {
            "subject": {"type": "user", "id": ids["ann"]}, "action": {"name": "amend"},
            "resource": {"type": "record", "id": resource, "properties": more}, "context": {},
        }  # fmt: skip
        answer = (await by.post("/access/v1/explain", json=asked)).json()
        return {one["name"]: one["state"] for one in answer["paths"][0]["steps"][-1]["saw"]}

    ann, name = client.acting(ids["ann"]), "resource.properties.owner"
    assert {(await saw(ann, one))[name] for one in ("r1", "r2")} == {"hidden"}
    assert {(await saw(ann, one, owner="ann"))[name] for one in ("r1", "r2")} == {"hidden"}
    assert (await saw(ann, "r1"))["subject.user_name"] == "seen"
    assert [(await saw(campus.admin, one))[name] for one in ("r1", "r2")] == ["seen", "missing"]
    await changed(campus, f"permissions/{ids['record.amend']}", request_wins=True)
    assert [(await saw(ann, "r1", **said))[name] for said in ({}, {"owner": "ann"})] == ["hidden", "seen"]


async def test_a_permission_that_never_was_hers_is_none_of_hers(campus: Any, client: Client, time: Any) -> None:
    ann, ids = client.acting(campus.ids["ann"]), campus.ids
    found = await told(ann, "shred")
    assert (found["decision"], found["reason"], found["permissions"], found["paths"]) == (False, "never-given", [], [])
    assert found["sentence"] == (
        "Ann may not shred record r1: no role that contains it was ever given to Ann, as far as you may see. Ask the"
        " support team for a role that does."
    )
    somewhere: tuple[dict[str, Any], ...] = ({}, {"system": "records"}, {"system": "finance"})
    for more in somewhere:
        unknown = await told(ann, "eat", **more)
        assert unknown["reason"] == "permission-unknown"
        assert not {"amend", "shred", "Records"} & set(unknown["sentence"].replace(",", " ").split())
    assert (await told(ann, "eat", system="records"))["reason"] == (await told(ann, "eat", system="x"))["reason"]
    # Her role had it before she had the role: a story of the catalogue, not of hers.
    await changed(campus, f"roles/{ids['clerk']}", permissions=[ids["record.amend"], ids["record.shred"]])
    time.now += timedelta(days=1)
    await changed(campus, f"roles/{ids['clerk']}", permissions=[ids["record.amend"]])
    time.now += timedelta(days=1)
    await campus.give("ann", "clerk")
    found = await told(ann, "shred")
    assert (found["reason"], found["permissions"], found["paths"], found["more_paths"]) == ("never-given", [], [], 0)
    assert (await told(campus.admin, "shred", subject=ids["ann"]))["reason"] == "permission-removed"
    await campus.admin.post(f"/access/v1/permissions/{ids['record.shred']}/retire")
    assert (await told(ann, "shred"))["reason"] == "permission-unknown"


async def test_what_was_hers_is_told_with_who_took_it(campus: Any, client: Client, time: Any) -> None:
    ann, ids = client.acting(campus.ids["ann"]), campus.ids
    grant = await campus.give("ann", "clerk", reason="new starter")
    held = await told(ann)
    assert (held["decision"], [one["name"] for one in held["permissions"]]) == (True, ["record.amend"])
    assert [one["kind"] for one in held["paths"][0]["steps"]] == ["person", "grant", "role", "permission"]
    assert "Ann may amend record r1 in Records" in held["sentence"]
    time.now += timedelta(days=1)
    await changed(campus, f"roles/{ids['clerk']}", permissions=[])
    removed = await told(ann)
    assert (removed["reason"], removed["held"] != []) == ("permission-removed", True)
    time.now += timedelta(days=1)
    await campus.admin.made(f"/access/v1/grants/{grant}/end", reason="moved")
    assert {one["reason"] for one in (await told(ann))["paths"][0]["steps"]} == {None, "moved"}


async def test_a_grant_that_one_may_not_see_changes_nothing_of_what_is_told(
    campus: Any, client: Client, time: Any
) -> None:
    ids, science = campus.ids, campus.ids["Science"]
    await changed(campus, f"systems/{ids['records']}", owner=None)
    dean = client.acting(ids["olga"], {one.name: [science] for one in READS})

    async def asked(by: Client) -> dict[str, Any]:
        found = await told(by, subject=ids["ann"], resource_id="r2", org_unit=science)
        return dict(found) | {"as_of": "", "known_at": ""}

    before = await asked(dean)
    assert (before["decision"], before["reason"]) == (None, "never-given")
    assert before["sentence"].startswith("As far as you may see, Ann may not amend record r2 in Records: no role that")
    await campus.give("ann", "clerk")
    time.now += timedelta(days=1)
    assert await asked(dean) == before
    asks: dict[str, Literal["*"] | list[str]] = {rights.GRANTS_READ.name: [science], rights.EVALUATE.name: "*"}
    asker = client.acting(ids["olga"], asks)
    assert (await asked(asker))["sentence"].endswith("by a grant that you may not see.")
    await campus.give("ann", "clerk", org_unit=science)
    assert (await asked(dean))["decision"] is True


async def test_to_explain_others_decisions_is_to_ask_for_them_or_to_read_what_they_rest_on(
    campus: Any, client: Client, time: Any
) -> None:
    ids, stranger = campus.ids, "per_01J0000000000000000000RDR0"
    await campus.give("ann", "clerk")
    grants = client.acting(stranger, [rights.GRANTS_READ])
    refusals = [await told(grants, subject=one, status=403) for one in ("ann", ids["ann"], "nobody", "grp_x")]
    assert {one["detail"][:40] for one in refusals} == {"To have another's decision explained, yo"}
    asks = client.acting(stranger, [rights.GRANTS_READ, rights.EVALUATE])
    assert (await told(asks, subject="ann"))["decision"] is True
    assert (await told(asks, subject="nobody"))["reason"] == "subject-unknown"
    await told(client.acting(stranger, [rights.EVALUATE, rights.PEOPLE_READ]), subject="ann", status=403)
    assert (await told(client.acting(stranger, READS), subject="ann"))["decision"] is True
    arts = client.acting(stranger, {one.name: [ids["Arts"]] for one in READS})
    outside = await told(arts, subject="ann", status=403)
    assert outside["detail"] == (await told(arts, subject="x", status=403))["detail"]
    assert ids["Science"] not in outside["detail"]
    owner = client.acting(ids["olga"], [rights.GRANTS_READ])
    assert (await told(owner, subject="ann"))["decision"] is True
    await campus.system("library")
    await campus.permission("library", "amend", "record", name="library.amend")
    await told(owner, subject="ann", status=403)
    assert (await told(owner, subject="ann", system="records"))["decision"] is True
    await campus.admin.post(f"/access/v1/permissions/{ids['library.amend']}/retire")
    time.now += timedelta(days=1)
    await told(owner, subject="ann", status=403)
