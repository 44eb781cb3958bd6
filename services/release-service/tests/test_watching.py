"""Watched sources, from a supplier's web server to releases and events."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from lodge_kit.events import envelope
from lodge_kit.tables import Event
from lodge_kit.testing.client import Client
from release_service import jobs
from release_service.events import ReleasePublished
from release_service.tables import SourceCheck

pytestmark = pytest.mark.anyio

FEEDS = Path(__file__).parent / "feeds"

OFFICER = "per_01J00000000000000000000FFC"
Work = Callable[[], Awaitable[None]]
FEED = "/releases.atom"


def atom(*versions: str, title: str = "Campus Records {}") -> bytes:
    entries = "".join(
        f"<entry><id>tag:supplier.example,2026:{v}</id><title>{title.format(v)}</title>"
        f"<updated>2026-04-14T10:00:00+01:00</updated><summary>Notes of {v}.</summary></entry>"
        for v in versions
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{entries}</feed>'.encode()


async def watch(officer: Client, url: str, **facts: Any) -> dict[str, Any]:
    supplier = await officer.made("/release/v1/suppliers", name="Meridian")
    body = {"supplier": supplier["id"], "name": "Campus Records", "owner": OFFICER} | facts
    product = await officer.made("/release/v1/products", **body)
    return await officer.made("/release/v1/sources", product=product["id"], url=url)


async def checked(officer: Client, source: dict[str, Any], work: Work) -> dict[str, Any]:
    """Order a check, do it, and read the source again."""
    ordered = await officer.post(f"/release/v1/sources/{source['id']}/check")
    assert ordered.status_code == 202, ordered.text
    await work()
    found: dict[str, Any] = (await officer.get(ordered.headers["location"])).json()
    return found


async def told(app: FastAPI, event_type: str) -> list[dict[str, Any]]:
    async with app.state.database.transaction() as session:
        found = select(col(Event.body)).where(col(Event.type) == event_type).order_by(col(Event.id))
        kinds = {fact.type: envelope(fact) for fact in app.state.service.facts}
        bodies = (await session.execute(found)).scalars()
        return [kinds[event_type].model_validate_json(body).model_dump()["data"] for body in bodies]


async def versions(officer: Client, query: str = "") -> list[str]:
    product = (await officer.get("/release/v1/products")).json()["items"][0]["id"]
    items = (await officer.get(f"/release/v1/releases?product={product}{query}")).json()["items"]
    return [one["version"] for one in items]


async def sightings(officer: Client, **asked: str) -> dict[str | None, dict[str, Any]]:
    items = (await officer.get("/release/v1/sightings", params=asked)).json()["items"]
    return {one["version"] or one["title"]: one for one in items}


async def test_a_real_looking_atom_file_becomes_releases_in_order(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, (FEEDS / "campus-records.atom").read_bytes())
    source = await watch(officer, supplier.url(FEED))
    assert (source["state"], source["last_error"]) == ("waiting", None)
    await work()
    assert await versions(officer, "&sort=version") == ["9.9.0", "9.9.2", "9.10.0"]
    newest = (await officer.get("/release/v1/releases?sort=-created_at&q=HESES")).json()["items"][0]
    assert (newest["version"], newest["state"], newest["available_on"]) == ("9.10.0", "available", "2026-05-21")
    assert newest["link"] == supplier.url("/releases/campus-records/9.10.0")
    assert "track(" not in newest["notes"]
    assert "<" not in newest["notes"]
    seen = await sightings(officer)
    assert seen["Join us at the user conference"]["disposition"] == "filtered"
    assert seen["9.10.0-rc1"]["disposition"] == "filtered"
    assert seen["9.9.2"]["release"]["name"] == "9.9.2"
    published = await told(app, "release.published")
    assert [(one["version"], one["first_reading"]) for one in published] == [
        ("9.9.0", True), ("9.9.2", True), ("9.10.0", True),
    ]  # fmt: skip
    tasks = (await officer.get("/release/v1/tasks?for=me")).json()["items"]
    assert [one["title"] for one in tasks] == ["Campus Records: 3 releases were found, the newest is 9.10.0"]


async def test_rss_with_a_pattern_of_the_products_own(officer: Client, supplier: Any, work: Work) -> None:
    supplier.shows("/finance.rss", (FEEDS / "campus-finance.rss").read_bytes(), kind="text/xml")
    await watch(officer, supplier.url("/finance.rss"), title_pattern=r"version (?P<version>\d+)")
    await work()
    items = (await officer.get("/release/v1/releases?sort=available_on")).json()["items"]
    assert [(one["version"], one["available_on"]) for one in items] == [("23", "2025-09-01"), ("24", "2026-03-02")]


async def test_a_new_entry_is_published_once_however_often_it_is_checked(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    source = await watch(officer, supplier.url(FEED))
    await work()
    supplier.shows(FEED, atom("9.10.0", "9.9.0", "9.7.0"))
    for _ in range(3):
        await checked(officer, source, work)
    supplier.shows(FEED, atom("9.9.0", "9.10.0", "9.7.0"))  # another body, the same news
    await checked(officer, source, work)
    published = await told(app, "release.published")
    assert [(one["version"], one["first_reading"]) for one in published] == [
        ("9.7.0", True), ("9.9.0", False), ("9.10.0", False),
    ]  # fmt: skip
    assert published[1]["source"] == source["id"]
    assert published[1]["actor"] == {"id": "lodge"}
    assert await versions(officer) == ["9.10.0", "9.9.0", "9.7.0"]
    assert ReleasePublished.type == "release.published"


async def test_two_checks_at_once_find_a_release_new_once(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0", "9.7.1"))
    source = await watch(officer, supplier.url(FEED))
    other = await officer.made(
        "/release/v1/sources", product=source["product"]["id"], url=supplier.url(FEED) + "?mirror"
    )
    await asyncio.gather(work(), work())
    assert len(await told(app, "release.published")) == 2
    states = {(await officer.get(f"/release/v1/sources/{one['id']}")).json()["state"] for one in (source, other)}
    assert states == {"healthy"}


async def test_what_has_not_changed_is_not_read_again(officer: Client, supplier: Any, work: Work) -> None:
    supplier.shows(FEED, atom("9.7.0"), etag='"v1"')
    source = await watch(officer, supplier.url(FEED))
    await work()
    found = await checked(officer, source, work)
    assert [request.headers.get("if-none-match") for request in supplier.asked] == [None, '"v1"']
    assert (found["state"], found["failures"]) == ("healthy", 0)
    assert found["etag"] == source["etag"]
    assert found["next_check_at"] > found["last_checked_at"]


async def test_what_the_supplier_corrects_is_corrected_but_not_what_a_person_wrote(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0", "9.7.1"))
    source = await watch(officer, supplier.url(FEED))
    await work()
    [mine] = [one for one in (await officer.get("/release/v1/releases")).json()["items"] if one["version"] == "9.7.1"]
    path = f"/release/v1/releases/{mine['id']}"
    await officer.patch(path, json={"notes": "Ours.", "kind": "statutory"}, headers={"If-Match": mine["etag"]})
    supplier.shows(FEED, atom("9.7.0", "9.7.1").replace(b"Notes of", b"Better notes of"))
    await checked(officer, source, work)
    notes = {one["version"]: one["notes"] for one in (await officer.get("/release/v1/releases")).json()["items"]}
    assert notes == {"9.7.0": "Better notes of 9.7.0.", "9.7.1": "Ours."}
    changed = await told(app, "release.changed")
    assert [(one["version"], one["changed"]) for one in changed] == [("9.7.1", ["kind", "notes"]), ("9.7.0", ["notes"])]
    assert {one["disposition"] for one in (await sightings(officer)).values()} == {"updated"}


async def test_an_announced_release_is_published_when_the_source_shows_it(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    source = await watch(officer, supplier.url(FEED))
    await work()
    await officer.made(
        "/release/v1/releases", product=source["product"]["id"], version="9.8", state="announced", kind="statutory"
    )
    supplier.shows(FEED, atom("9.7.0", "9.8.0"))
    await checked(officer, source, work)
    published = (await told(app, "release.published"))[-1]
    assert (published["version"], published["kind"], str(published["available_on"])) == (
        "9.8", "statutory", "2026-04-14",
    )  # fmt: skip
    assert await versions(officer, "&state=announced") == []


async def test_a_suspect_jump_waits_for_a_person(officer: Client, supplier: Any, app: FastAPI, work: Work) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    source = await watch(officer, supplier.url(FEED))
    await work()
    supplier.shows(FEED, atom("2026.1", "42.0", "9.7.1", "9.7.0"))
    found = await checked(officer, source, work)
    assert found["suspects"] == 2
    assert await versions(officer) == ["9.7.1", "9.7.0"]
    waiting = await sightings(officer, disposition="suspect")
    assert "looks like a date" in waiting["2026.1"]["reason"]
    assert len(await told(app, "sighting.suspect")) == 2
    titles = [one["title"] for one in (await officer.get("/release/v1/tasks")).json()["items"]]
    assert "Campus Records: 2 doubtful releases wait for you to accept or dismiss" in titles

    accepted = await officer.post(f"/release/v1/sightings/{waiting['42.0']['id']}/accept")
    assert (accepted.json()["disposition"], accepted.json()["release"]["name"]) == ("new", "42.0")
    assert accepted.json()["decided_by"] == {"id": OFFICER, "name": "Olive Officer"}
    dismissed = await officer.post(f"/release/v1/sightings/{waiting['2026.1']['id']}/dismiss")
    assert dismissed.json()["disposition"] == "filtered"
    assert await versions(officer) == ["42.0", "9.7.1", "9.7.0"]
    assert (await told(app, "release.published"))[-1]["version"] == "42.0"
    again = await officer.post(f"/release/v1/sightings/{waiting['42.0']['id']}/dismiss")
    assert (again.status_code, again.json()["code"]) == (409, "sighting-not-suspect")
    titles = [one["title"] for one in (await officer.get("/release/v1/tasks")).json()["items"]]
    assert not any("doubtful" in title for title in titles)

    supplier.shows(FEED, atom("2026.1", "42.0", "9.7.0", title="Campus Records {} (edited)"))
    assert (await checked(officer, source, work))["suspects"] == 0
    assert (await sightings(officer, disposition="filtered"))["2026.1"]["decided_by"]["id"] == OFFICER


async def test_a_suspect_that_cannot_be_read_is_accepted_under_a_version_that_can(
    officer: Client, supplier: Any, work: Work
) -> None:
    supplier.shows(FEED, atom("1.0.0"))
    source = await watch(officer, supplier.url(FEED), scheme="semver")
    await work()
    supplier.shows(FEED, atom("1.0.0", "1.1"))
    await checked(officer, source, work)
    [suspect] = (await sightings(officer, disposition="suspect")).values()
    path = f"/release/v1/sightings/{suspect['id']}/accept"
    refused = await officer.post(path)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/version")
    assert (await officer.post(path, json={"version": "1.1.0"})).json()["release"]["name"] == "1.1.0"


async def test_another_naming_has_what_was_left_out_judged_anew(officer: Client, supplier: Any, work: Work) -> None:
    supplier.shows(FEED, atom("9.8.0-rc1", "9.7.0"), etag='"same"')
    source = await watch(officer, supplier.url(FEED))
    await work()
    assert await versions(officer) == ["9.7.0"]
    product = f"/release/v1/products/{source['product']['id']}"
    await officer.patch(product, json={"prereleases": True}, headers={"If-Match": "*"})
    await checked(officer, source, work)
    assert await versions(officer) == ["9.8.0-rc1", "9.7.0"]


async def test_the_worker_orders_what_is_due_and_keeps_a_distance_between_checks_of_a_host(
    officer: Client, supplier: Any, app: FastAPI, work: Work, clock: Any
) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    source = await watch(officer, supplier.url(FEED))
    await officer.made("/release/v1/sources", product=source["product"]["id"], url=supplier.url(FEED) + "?2")
    await work()
    world = app.state.world
    assert await jobs.order_due_checks(world) == 0
    clock.ahead += timedelta(hours=2)
    assert await jobs.order_due_checks(world) == 1
    assert await jobs.order_due_checks(world) == 0
    clock.ahead += timedelta(seconds=1)
    assert await jobs.order_due_checks(world) == 1
    asked = len(supplier.asked)
    await work()
    assert len(supplier.asked) == asked + 2


async def test_a_check_whose_worker_died_is_due_again(
    officer: Client, supplier: Any, app: FastAPI, clock: Any, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    await watch(officer, supplier.url(FEED))  # ordered, and nobody does it
    assert await jobs.order_due_checks(app.state.world) == 0
    clock.ahead += timedelta(minutes=6)
    assert await jobs.order_due_checks(app.state.world) == 1
    await work()
    assert len(supplier.asked) == 1, "the order that waited was enough"


async def test_a_paused_source_is_not_checked_until_it_is_resumed(
    officer: Client, supplier: Any, app: FastAPI, work: Work, clock: Any
) -> None:
    supplier.shows(FEED, atom("9.7.0"))
    source = await watch(officer, supplier.url(FEED))
    path = f"/release/v1/sources/{source['id']}"
    paused = await officer.post(f"{path}/pause")
    assert (paused.json()["state"], paused.json()["next_check_at"]) == ("paused", None)
    refused = await officer.post(f"{path}/check")
    assert (refused.status_code, refused.json()["code"]) == (409, "source-paused")
    clock.ahead += timedelta(days=1)
    assert await jobs.order_due_checks(app.state.world) == 0
    await work()
    assert supplier.asked == []
    assert (await officer.post(f"{path}/resume")).json()["state"] == "waiting"
    await work()
    assert [one["state"] for one in (await officer.get("/release/v1/sources?state=healthy")).json()["items"]] == [
        "healthy"
    ]


async def test_another_address_is_read_for_the_first_time(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom("9.7.0"), etag='"v1"')
    supplier.shows("/new.atom", atom("9.7.1"), etag='"v1"')
    source = await watch(officer, supplier.url(FEED))
    await work()
    path = f"/release/v1/sources/{source['id']}"
    body = {"url": supplier.url("/new.atom"), "every_minutes": 5}
    changed = await officer.patch(path, json=body, headers={"If-Match": source["etag"]})
    assert changed.json()["every_minutes"] == 5
    await checked(officer, source, work)
    assert [(one["version"], one["first_reading"]) for one in await told(app, "release.published")] == [
        ("9.7.0", True), ("9.7.1", True),
    ]  # fmt: skip


async def test_a_long_history_is_listed_whole_and_its_newest_hundred_are_published(
    officer: Client, supplier: Any, app: FastAPI, work: Work
) -> None:
    supplier.shows(FEED, atom(*(f"9.{minor}.{patch}" for minor in range(30) for patch in range(10))))
    await watch(officer, supplier.url(FEED))
    await work()
    counted = (await officer.get("/release/v1/releases?count=true&limit=1")).json()
    assert counted["count"] == 300
    published = await told(app, "release.published")
    assert (len(published), published[0]["version"], published[-1]["version"]) == (100, "9.20.0", "9.29.9")
    async with app.state.database.transaction() as session:
        assert (await session.execute(select(col(SourceCheck.failures)))).scalar_one() == 0
