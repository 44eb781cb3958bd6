"""Rights that hold for some org units only: lists, reads and verbs keep to them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from enquiry_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

SCIENCE = "org_01J0000000000000000000SC1E"
ARTS = "org_01J0000000000000000000ARTS"
CLERK = "per_01J0000000000000000000CERK"
EVERY = [one.name for one in rights.ALL]


@pytest.fixture
def clerk(client: Client) -> Client:
    """Answer somebody who holds every right, for Science only."""
    return client.acting(CLERK, {name: [SCIENCE] for name in EVERY}, name="Science Clerk")


@pytest.fixture
async def filed(ada: Client) -> dict[str, str]:
    """Answer the paths of three enquiries: of Science, of Arts, of nobody's."""
    paths = {}
    for title, org_unit in (("science", SCIENCE), ("arts", ARTS), ("nobody", None)):
        made = await ada.made("/enquiry/v1/enquiries", title=title, org_unit=org_unit)
        paths[title] = f"/enquiry/v1/enquiries/{made['id']}"
    return paths


async def test_enquiries_of_another_org_unit_are_not_there(clerk: Client, filed: dict[str, str]) -> None:
    listed = (await clerk.get("/enquiry/v1/enquiries?count=true")).json()
    assert ([one["title"] for one in listed["items"]], listed["count"]) == (["science"], 1)
    table = await clerk.get("/enquiry/v1/enquiries", headers={"Accept": "text/csv"})
    assert len(table.text.splitlines()) == 2
    assert (await clerk.get(f"/enquiry/v1/enquiries?org_unit={ARTS}")).json()["items"] == []
    for title in ("arts", "nobody"):
        path = filed[title]
        calls = [await clerk.get(f"{path}{part}") for part in ("", "/messages", "/events")]
        calls.append(await clerk.patch(path, json={"priority": "high"}, headers={"If-Match": "*"}))
        for verb, body in VERBS:
            calls.append(await clerk.post(f"{path}/{verb}", json=body))
        assert {one.status_code for one in calls} == {404}


VERBS: list[tuple[str, dict[str, Any]]] = [
    ("assign", {"assignee": "me"}), ("answer", {"body": "x"}), ("close", {"outcome": "refused"}),
    ("reopen", {"reason": "x"}), ("messages", {"body": "x", "visibility": "public"}),
]  # fmt: skip


async def test_who_reads_everywhere_acts_only_where_the_right_to_answer_holds(
    client: Client, filed: dict[str, str]
) -> None:
    held: dict[str, Any] = {name: [SCIENCE] for name in EVERY} | {rights.READ.name: "*"}
    clerk = client.acting(CLERK, held)
    assert len((await clerk.get("/enquiry/v1/enquiries")).json()["items"]) == 3
    refused = [await clerk.post(f"{filed['arts']}/{verb}", json=body) for verb, body in VERBS]
    refused.append(await clerk.patch(filed["arts"], json={"priority": "low"}, headers={"If-Match": "*"}))
    refused.append(await clerk.patch(filed["science"], json={"org_unit": ARTS}, headers={"If-Match": "*"}))
    refused.append(await clerk.patch(filed["science"], json={"org_unit": None}, headers={"If-Match": "*"}))
    assert {one.status_code for one in refused} == {403}
    assert {("enquiry.answer" in one.json()["detail"]) for one in refused} == {True}
    changed = await clerk.patch(filed["science"], json={"priority": "high"}, headers={"If-Match": "*"})
    assert changed.json()["priority"] == "high"
    for body in (
        {"title": "x y z", "requester": CLERK[:-1] + "A", "org_unit": ARTS},
        {"title": "x y z", "requester": CLERK[:-1] + "A"},
    ):
        assert (await clerk.post("/enquiry/v1/enquiries", json=body)).status_code == 403


async def test_runs_of_another_org_unit_are_not_there(
    clerk: Client, client: Client, olive: Client, reporting: Any, filed: dict[str, str],
    work: Callable[[], Awaitable[None]],
) -> None:  # fmt: skip
    report = await reporting("SELECT id FROM campus.course")
    runs = f"/enquiry/v1/reports/{report['id']}/runs"
    paths = {}
    for title, path in filed.items():
        run = await olive.made(runs, enquiry=path.rpartition("/")[2])
        paths[title] = f"/enquiry/v1/runs/{run['id']}"
    await work()
    (seen,) = (await clerk.get("/enquiry/v1/runs")).json()["items"]
    assert f"/enquiry/v1/runs/{seen['id']}" == paths["science"]
    assert (await clerk.get(f"{paths['science']}/file")).status_code == 200
    for title in ("arts", "nobody"):
        for answer in (
            await clerk.get(paths[title]), await clerk.get(f"{paths[title]}/file"),
            await clerk.get(f"{paths[title]}/progress"), await clerk.call("DELETE", paths[title]),
        ):  # fmt: skip
            assert answer.status_code == 404
    reads_all: dict[str, Any] = {name: [SCIENCE] for name in EVERY} | {rights.REPORTS_READ.name: "*"}
    curious = client.acting(CLERK, reads_all)
    assert len((await curious.get("/enquiry/v1/runs")).json()["items"]) == 3
    for answer in (await curious.get(f"{paths['arts']}/file"), await curious.call("DELETE", paths["arts"])):
        assert (answer.status_code, "enquiry.reports.run" in answer.json()["detail"]) == (403, True)


async def test_a_run_is_for_an_enquiry_where_the_right_to_run_holds(
    clerk: Client, client: Client, reporting: Any, filed: dict[str, str]
) -> None:
    report = await reporting("SELECT id FROM campus.course")
    runs = f"/enquiry/v1/reports/{report['id']}/runs"
    for_none = await clerk.post(runs, json={})
    assert (for_none.status_code, "name the enquiry" in for_none.json()["detail"]) == (403, True)
    unseen = await clerk.post(runs, json={"enquiry": filed["arts"].rpartition("/")[2]})
    assert (unseen.status_code, unseen.json()["errors"][0]["pointer"]) == (422, "/enquiry")
    reader = client.acting(CLERK, {name: [SCIENCE] for name in EVERY} | {rights.READ.name: "*"})
    elsewhere = await reader.post(runs, json={"enquiry": filed["arts"].rpartition("/")[2]})
    assert (elsewhere.status_code, ARTS in elsewhere.json()["detail"]) == (403, True)
    made = await clerk.post(runs, json={"enquiry": filed["science"].rpartition("/")[2]})
    assert made.status_code == 202
