"""Webhooks, from the endpoint's registration to the signed call that arrives."""

import asyncio
import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import structlog
from aiohttp import web
from cryptography.fernet import Fernet
from standardwebhooks import WebhookVerificationError

from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.receiver import Receiver
from lodge_kit.testing.waiting import until
from lodge_kit.webhooks import courier
from lodge_kit.webhooks.courier import SCHEDULE, Courier, Try
from lodge_kit.webhooks.endpoints import oversight, subscription

pytestmark = pytest.mark.anyio

HOOKS = "/desk/v1/webhooks"


async def registered(clerk: Client, url: str, *types: str) -> dict[str, Any]:
    return await clerk.made(HOOKS, url=url, event_types=list(types or ("*",)))


async def filed(clerk: Client, text: str = "x", **more: Any) -> dict[str, Any]:
    return await clerk.made("/desk/v1/slips", text=text, **more)


async def deliveries(clerk: Client, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await clerk.get(f"/desk/v1/deliveries?sort=created_at{query}")).json()["items"]
    return found


async def hurry(desk: Any) -> None:
    """Have everything that waits for its next try due now."""
    await execute(desk, "UPDATE delivery SET due_at = now() WHERE state = 'pending'")


async def execute(desk: Any, statement: str, *values: Any) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(desk.world.database.dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []


def status(code: int, **headers: str) -> Callable[[Any], web.Response]:
    return lambda _: web.Response(status=code, headers=headers, text=f"answered {code}")


# Registering


async def test_an_endpoint_is_registered_and_its_secret_shown_once(clerk: Client, receiver: Receiver) -> None:
    made = await clerk.post(HOOKS, json={"url": receiver.url, "event_types": ["slip.*"]})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    read = await clerk.get(made.headers["location"])
    assert read.json() == {k: v for k, v in made.json().items() if k != "secret"}
    assert read.json()["owner"] == {"id": "per_01J0000000000000000000CERK", "name": "The Clerk"}
    listed = (await clerk.get(f"{HOOKS}?owner=me")).json()["items"]
    assert listed == [read.json()]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x", "http://localhost:9/x", "http://10.0.0.1/x", "http://169.254.169.254/latest/meta-data",
        "http://[::1]:9/x", "http://2130706433:9/", "ftp://campus.example/x", "nonsense", "http:///x",
        "https://user:secret@campus.example/",
    ],
)  # fmt: skip
async def test_an_address_that_may_not_be_called_is_refused(
    make_desk: Callable[..., Any], issuer: Issuer, url: str
) -> None:
    async with make_desk(outbound_allow=()).opened(issuer) as clerk:
        answer = await clerk.post(HOOKS, json={"url": url, "event_types": ["*"]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
        assert (await clerk.get(HOOKS)).json()["items"] == []


async def test_a_type_that_no_event_has_is_refused(clerk: Client, receiver: Receiver) -> None:
    for wrong in ("slip.eaten", "ship.*", "slip*", "*.filed", ""):
        answer = await clerk.post(HOOKS, json={"url": receiver.url, "event_types": [wrong]})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown-event-type")


async def test_who_may_not_subscribe_sees_nothing_of_it(clerk: Client, desk: Any, receiver: Receiver) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    await Courier(desk.world).drain()
    one = (await deliveries(clerk))[0]["id"]
    bare = clerk.acting("per_01J0000000000000000000N0NE")
    for path in (HOOKS, "/desk/v1/deliveries", f"/desk/v1/deliveries/{one}", "/desk/v1/events", "/desk/v1/event-types"):
        answer = await bare.get(path)
        assert (answer.status_code, "desk.subscribe" in answer.json()["detail"]) == (403, True), path
    assert (await bare.post(f"/desk/v1/deliveries/{one}/redeliver")).status_code == 403


async def test_an_endpoint_is_changed_and_removed_by_who_saw_it(clerk: Client, receiver: Receiver) -> None:
    made = await registered(clerk, receiver.url)
    path = f"{HOOKS}/{made['id']}"
    tag = {"If-Match": made["etag"]}
    changed = await clerk.patch(path, json={"event_types": ["desk.opened"], "description": "d"}, headers=tag)
    assert (changed.json()["event_types"], changed.json()["description"]) == (["desk.opened"], "d")
    assert (await clerk.patch(path, json={"description": "e"}, headers=tag)).status_code == 412
    assert (await clerk.patch(path, json={"url": None}, headers={"If-Match": "*"})).status_code == 422
    assert (await clerk.call("DELETE", path, headers=tag)).status_code == 412
    assert (await clerk.call("DELETE", path, headers={"If-Match": changed.headers["etag"]})).status_code == 204
    assert (await clerk.get(path)).status_code == 404


async def test_an_endpoint_is_its_owners_and_the_administrators_alone(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    made = await registered(clerk, receiver.url)
    await filed(clerk)
    await Courier(desk.world).drain()
    delivery = (await deliveries(clerk))[0]["id"]
    rival = clerk.acting("per_01J000000000000000000R1VA1", (subscription("desk"),))
    path, tag = f"{HOOKS}/{made['id']}", {"If-Match": made["etag"]}
    for method, where, asked in (
        ("GET", path, {}),
        ("PATCH", path, {"json": {"url": "https://rival.example/"}, "headers": tag}),
        ("DELETE", path, {"headers": tag}),
        ("POST", f"{path}/pause", {}),
        ("POST", f"{path}/resume", {}),
        ("GET", f"/desk/v1/deliveries/{delivery}", {}),
        ("POST", f"/desk/v1/deliveries/{delivery}/redeliver", {}),
    ):
        answer = await rival.call(method, where, **asked)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), (method, where)
    for where in (HOOKS, "/desk/v1/deliveries", f"{HOOKS}?owner={made['owner']['id']}"):
        assert (await rival.get(where)).json()["items"] == [], where
    assert (await clerk.get(path)).json() == {k: v for k, v in made.items() if k != "secret"}

    somewhere: dict[str, Any] = {
        subscription("desk").name: "*",
        oversight("desk").name: ["org_01J0000000000000000000VN1T"],
    }
    assert (await rival.acting("per_01J000000000000000000R1VA1", somewhere).get(path)).status_code == 404
    keeper = clerk.acting("per_01J00000000000000000KEEPER", (subscription("desk"), oversight("desk")))
    assert [one["id"] for one in (await keeper.get(HOOKS)).json()["items"]] == [made["id"]]
    assert (await keeper.get(f"{HOOKS}?owner=me")).json()["items"] == []
    assert (await deliveries(keeper))[0]["id"] == delivery
    assert (await keeper.post(f"/desk/v1/deliveries/{delivery}/redeliver")).status_code == 202
    paused = await keeper.post(f"{path}/pause")
    assert (paused.json()["state"], paused.json()["owner"]["name"]) == ("paused", "The Clerk")
    assert (await keeper.call("DELETE", path, headers={"If-Match": paused.headers["etag"]})).status_code == 204


async def test_who_may_subscribe_for_an_org_unit_alone_is_not_told_of_all(clerk: Client) -> None:
    bounded = clerk.acting(
        "per_01J000000000000000000B0VND", {subscription("desk").name: ["org_01J0000000000000000000VN1T"]}
    )
    for path in (HOOKS, "/desk/v1/events", "/desk/v1/deliveries"):
        assert (await bounded.get(path)).status_code == 403, path


# Delivering


async def test_an_event_arrives_signed_as_standard_webhooks_says(clerk: Client, desk: Any, receiver: Receiver) -> None:
    secret = (await registered(clerk, receiver.url))["secret"]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = {"X-Request-Id": "from-the-portal", "traceparent": trace}
    made = await clerk.post("/desk/v1/slips", json={"text": "é"}, headers=asked)
    await Courier(desk.world).drain()
    (got,) = receiver.got
    body = got.verified(secret)
    assert (body["type"], body["data"]["text"], body["data"]["v"]) == ("slip.filed", "é", 1)
    assert body["data"]["subject"] == {"type": "slip", "id": made.json()["id"], "version": 1}
    assert body["data"]["cause"]["request_id"] == "from-the-portal"
    assert got.headers["traceparent"] == trace
    assert (await clerk.get("/desk/v1/events")).json()["items"] == [{"id": got.id, **body}]
    for wrong in (got.body + " ", got.body.replace("slip", "ship")):
        with pytest.raises(WebhookVerificationError):
            type(got)(got.headers, wrong, got.path).verified(secret)
    with pytest.raises(WebhookVerificationError):
        got.verified("whsec_" + "A" * 44)


async def test_only_the_types_that_an_endpoint_asked_for_arrive(
    clerk: Client, desk: Any, receiver: Receiver, other_receiver: Receiver
) -> None:
    await registered(clerk, receiver.url, "slip.*")
    await registered(clerk, other_receiver.url, "desk.opened")
    await filed(clerk)
    await Courier(desk.world).drain()
    assert (len(receiver.got), len(other_receiver.got)) == (1, 0)


async def test_a_failed_delivery_is_tried_again_under_the_same_id_and_each_try_is_readable(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    secret = (await registered(clerk, receiver.url))["secret"]
    await filed(clerk)
    receiver.answer = status(500)
    sender = Courier(desk.world)
    await sender.drain()
    (one,) = await deliveries(clerk)
    assert (one["state"], one["attempts"]) == ("pending", 1)
    wait = datetime.fromisoformat(one["due_at"]) - datetime.now(UTC)
    assert timedelta(seconds=2) < wait < timedelta(seconds=6)
    receiver.answer = lambda _: web.Response(status=302, headers={"Location": receiver.url + "/elsewhere"})
    await hurry(desk)
    await sender.drain()
    receiver.answer = status(200)
    await hurry(desk)
    await sender.drain()
    assert len({got.id for got in receiver.got}) == 1
    assert {got.path for got in receiver.got} == {"/"}
    assert all(got.verified(secret) for got in receiver.got)
    whole = (await clerk.get(f"/desk/v1/deliveries/{one['id']}")).json()
    assert (whole["state"], whole["body"]) == ("delivered", receiver.got[0].body)
    assert [(t["number"], t["status"], t["answer"]) for t in whole["tries"]] == [
        (1, 500, "answered 500"), (2, 302, ""), (3, 200, "answered 200"),
    ]  # fmt: skip


async def test_a_receiver_that_cannot_be_reached_is_a_try_with_a_reason(clerk: Client, desk: Any) -> None:
    await registered(clerk, "http://127.0.0.1:9/")
    await filed(clerk)
    await Courier(desk.world).drain()
    (one,) = await deliveries(clerk, "&state=pending,failed")
    (tried,) = (await clerk.get(f"/desk/v1/deliveries/{one['id']}")).json()["tries"]
    assert (tried["status"], "could not be reached" in tried["error"]) == (None, True)
    endpoint = (await clerk.get(HOOKS)).json()["items"][0]
    assert endpoint["failing_since"] is not None


async def test_only_the_first_two_thousand_bytes_of_an_answer_are_kept(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    receiver.answer = lambda _: web.Response(body=b"\0\xff" + b"x" * 1_000_000)
    await Courier(desk.world).drain()
    (one,) = await deliveries(clerk)
    (tried,) = (await clerk.get(f"/desk/v1/deliveries/{one['id']}")).json()["tries"]
    assert len(tried["answer"]) in range(2_000, 2_049)


def test_tries_follow_the_schedule_and_then_end() -> None:
    def tried(number: int, retry_after: timedelta | None = None) -> Try:
        return Try("dlv_1", "whk_1", number, datetime.now(UTC), 1, 500, None, "", retry_after)

    for number, planned in enumerate(SCHEDULE, 1):
        low, high = tried(number).next_due(0.0), tried(number).next_due(1.0)
        assert (low, high) == (planned * 0.9, planned * 1.1)
    assert tried(len(SCHEDULE) + 1).next_due(0.5) is None
    assert tried(1, timedelta(hours=1)).next_due(0.5) == timedelta(hours=1)
    assert tried(9, timedelta(seconds=1)).next_due(0.5) == SCHEDULE[8]


async def test_when_the_schedule_is_used_up_the_delivery_has_failed(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    receiver.answer = status(503)
    sender = Courier(desk.world)
    for _ in range(len(SCHEDULE) + 3):
        await sender.drain()
        await hurry(desk)
    (one,) = await deliveries(clerk, "&state=failed")
    assert (one["attempts"], len(receiver.got)) == (len(SCHEDULE) + 1, len(SCHEDULE) + 1)
    assert one["finished_at"] is not None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3600", 3600), ("999999999", 86_400), ("-5", 5), ("soon", 5), ("²", 5), ("Wed, 21 Oct 2015 07:28:00 GMT", 5)],
)
async def test_retry_after_is_honoured_within_reason(
    clerk: Client, desk: Any, receiver: Receiver, header: str, seconds: int
) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    receiver.answer = lambda _: web.Response(status=429, headers={"Retry-After": header})
    await Courier(desk.world).drain()
    (one,) = await deliveries(clerk)
    wait = (datetime.fromisoformat(one["due_at"]) - datetime.now(UTC)).total_seconds()
    assert seconds * 0.9 - 3 < wait < seconds * 1.1 + 1


async def test_a_receiver_that_is_gone_is_called_no_more_until_it_is_resumed(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    made = await registered(clerk, receiver.url)
    receiver.answer = status(410)
    await filed(clerk, "first")
    sender = Courier(desk.world)
    await sender.drain()
    path = f"{HOOKS}/{made['id']}"
    shown = (await clerk.get(path)).json()
    assert (shown["state"], "410" in shown["disabled_reason"]) == ("disabled", True)
    await filed(clerk, "missed")
    await sender.drain()
    assert len(receiver.got) == 1
    receiver.answer = status(204)
    assert (await clerk.post(f"{path}/resume")).json()["state"] == "active"
    await filed(clerk, "last")
    await sender.drain()
    assert [got.verified(made["secret"])["data"]["text"] for got in receiver.got] == ["first", "first", "last"]


async def test_a_paused_endpoint_gets_nothing_and_catches_up_in_order(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    made = await registered(clerk, receiver.url)
    path, sender = f"{HOOKS}/{made['id']}", Courier(desk.world)
    assert (await clerk.post(f"{path}/pause")).json()["state"] == "paused"
    for number in range(3):
        await filed(clerk, str(number))
    await sender.drain()
    assert receiver.got == []
    await clerk.post(f"{path}/resume")
    await sender.drain()
    assert sorted(got.verified(made["secret"])["data"]["text"] for got in receiver.got) == ["0", "1", "2"]
    assert (await clerk.post(f"{path}/explode")).status_code == 404


async def test_resuming_does_not_send_what_failed_before_the_receiver_was_well_again(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    made = await registered(clerk, receiver.url)
    sender = Courier(desk.world)
    await filed(clerk, "long ago")
    receiver.answer = status(500)
    await sender.drain()
    await execute(desk, "UPDATE delivery SET state = 'failed', finished_at = now() - interval '30 days'")
    receiver.answer = status(204)
    await filed(clerk, "well again")
    await sender.drain()
    receiver.answer = status(500)
    await filed(clerk, "of late")
    await sender.drain()
    await execute(desk, "UPDATE delivery SET state = 'failed', finished_at = now() WHERE state = 'pending'")
    receiver.got.clear()
    receiver.answer = status(204)
    await clerk.post(f"{HOOKS}/{made['id']}/resume")
    await sender.drain()
    assert [got.verified(made["secret"])["data"]["text"] for got in receiver.got] == ["of late"]


async def test_a_delivery_is_sent_again_when_asked(clerk: Client, desk: Any, receiver: Receiver) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    sender = Courier(desk.world)
    await sender.drain()
    (one,) = await deliveries(clerk)
    again = await clerk.post(f"/desk/v1/deliveries/{one['id']}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    await sender.drain()
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert len((await clerk.get(f"/desk/v1/deliveries/{one['id']}")).json()["tries"]) == 2
    assert (await clerk.post("/desk/v1/deliveries/dlv_0/redeliver")).status_code == 404


async def test_deliveries_are_filtered_and_listed_as_csv(clerk: Client, desk: Any, receiver: Receiver) -> None:
    made = await registered(clerk, receiver.url)
    await registered(clerk, "http://127.0.0.1:9/")
    for number in range(3):
        await clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"X-Request-Id": f"call-{number}"})
    await Courier(desk.world).drain()
    assert len(await deliveries(clerk)) == 6
    assert len(await deliveries(clerk, f"&endpoint_id={made['id']}&state=delivered")) == 3
    assert len(await deliveries(clerk, "&request_id=call-1")) == 2
    table = await clerk.get(f"/desk/v1/deliveries?endpoint_id={made['id']}", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert {(row["event_type"], row["state"]) for row in rows} == {("slip.filed", "delivered")}
    assert len(rows) == 3


async def test_a_receiver_that_hangs_does_not_delay_another(
    clerk: Client, desk: Any, receiver: Receiver, other_receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    await registered(clerk, other_receiver.url)
    release = asyncio.Event()

    async def hang(_: Any) -> web.Response:
        await release.wait()
        return web.Response()

    receiver.answer = hang
    running = asyncio.create_task(Courier(desk.world).run())
    try:
        for number in range(25):
            await filed(clerk, str(number))
        await other_receiver.wait(25)
        assert not release.is_set()
        release.set()
        await receiver.wait(25)
    finally:
        release.set()
        running.cancel()
        await asyncio.wait([running])


async def test_several_couriers_at_once_send_each_delivery_once(clerk: Client, desk: Any, receiver: Receiver) -> None:
    await registered(clerk, receiver.url)
    for number in range(60):
        await filed(clerk, str(number))
    await asyncio.gather(*(Courier(desk.world).drain() for _ in range(4)))
    assert len(receiver.got) == len({got.id for got in receiver.got}) == 60
    assert len(await deliveries(clerk, "&state=delivered&limit=200")) == 60


async def test_an_endpoint_removed_while_it_is_called_loses_nobody_elses_results(
    clerk: Client, desk: Any, receiver: Receiver, other_receiver: Receiver
) -> None:
    gone = await registered(clerk, receiver.url)
    await registered(clerk, other_receiver.url)
    release = asyncio.Event()

    async def hang(_: Any) -> web.Response:
        await release.wait()
        return web.Response()

    receiver.answer = other_receiver.answer = hang
    await filed(clerk)
    sender = Courier(desk.world)
    await sender.turn()
    await receiver.wait(1)
    await other_receiver.wait(1)
    removed = await clerk.call("DELETE", f"{HOOKS}/{gone['id']}", headers={"If-Match": "*"})
    assert removed.status_code == 204
    release.set()
    await sender.drain()
    (kept,) = await deliveries(clerk)
    assert (kept["state"], kept["attempts"]) == ("delivered", 1)


async def test_a_courier_that_is_stopped_notes_what_was_under_way(clerk: Client, desk: Any, receiver: Receiver) -> None:
    await registered(clerk, receiver.url)
    release = asyncio.Event()

    async def hang(_: Any) -> web.Response:
        await release.wait()
        return web.Response()

    receiver.answer = hang
    await filed(clerk)
    running = asyncio.create_task(Courier(desk.world).run())
    await receiver.wait(1)
    running.cancel()
    release.set()
    await asyncio.wait([running])
    assert [one["state"] for one in await deliveries(clerk)] == ["delivered"]


async def test_a_courier_that_is_stopped_does_not_wait_for_one_that_hangs(
    clerk: Client, desk: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "FAREWELL", 0.05)
    await registered(clerk, receiver.url)

    async def hang(_: Any) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    receiver.answer = hang
    await filed(clerk)
    running = asyncio.create_task(Courier(desk.world).run())
    await receiver.wait(1)
    running.cancel()
    await asyncio.wait([running])
    assert [(one["state"], one["attempts"]) for one in await deliveries(clerk)] == [("pending", 0)]


async def test_a_lease_that_ran_out_is_taken_by_another_under_the_same_id(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)
    dead = Courier(desk.world)
    await courier.sequence(desk.world)
    assert len(await dead._claim(10)) == 1  # noqa: SLF001 - it took it, and died
    living = Courier(desk.world)
    await living.drain()
    assert receiver.got == []
    await hurry(desk)
    await living.drain()
    assert len(receiver.got) == 1


# In order


async def test_events_that_commit_out_of_order_are_all_read_by_a_cursor(clerk: Client, desk: Any) -> None:
    insert = (
        "INSERT INTO event (id, type, subject_type, subject_id, occurred_at, request_id, traceparent, body)"
        " VALUES (%s, 'slip.filed', 'slip', 'slp_1', now(), 'r', 't', '{\"type\":\"slip.filed\"}')"
    )
    dsn = desk.world.database.dsn
    async with (
        await psycopg.AsyncConnection.connect(dsn) as first,
        await psycopg.AsyncConnection.connect(dsn) as second,
    ):
        await first.execute(insert, ["evt_1"])
        await second.execute(insert, ["evt_2"])
        await second.commit()
        await courier.sequence(desk.world)
        page = (await clerk.get("/desk/v1/events")).json()
        assert [one["id"] for one in page["items"]] == ["evt_2"]
        await first.commit()
    await courier.sequence(desk.world)
    later = (await clerk.get(f"/desk/v1/events?after={page['next_after']}")).json()
    assert [one["id"] for one in later["items"]] == ["evt_1"]
    nothing = (await clerk.get(f"/desk/v1/events?after={later['next_after']}")).json()
    assert nothing == {"items": [], "next_after": later["next_after"]}


async def test_a_cursor_skips_nothing_while_many_write_and_many_number(clerk: Client, desk: Any) -> None:
    seen: list[str] = []
    after, going = "0", True

    async def read() -> None:
        nonlocal after
        while going or await _behind(clerk, after):
            page = (await clerk.get(f"/desk/v1/events?after={after}&limit=7")).json()
            seen.extend(one["id"] for one in page["items"])
            after = page["next_after"]

    async def number() -> None:
        while going:
            await courier.sequence(desk.world)

    async def write() -> None:
        for number in range(20):
            await filed(clerk, str(number))

    # As many at once as the pool has connections: on a busy machine, who waits for one may be told to come back.
    reading, numbering = asyncio.create_task(read()), [asyncio.create_task(number()) for _ in range(2)]
    await asyncio.gather(write(), write())
    going = False
    await asyncio.gather(*numbering)
    await courier.sequence(desk.world)
    await reading
    page = (await clerk.get(f"/desk/v1/events?after={after}")).json()
    seen.extend(one["id"] for one in page["items"])
    stored = await execute(desk, "SELECT id, seq FROM event ORDER BY seq")
    assert seen == [row[0] for row in stored]
    assert [row[1] for row in stored] == list(range(1, 41))


async def _behind(clerk: Client, after: str) -> bool:
    return bool((await clerk.get(f"/desk/v1/events?after={after}&limit=1")).json()["items"])


async def test_events_are_read_by_type_and_a_made_up_cursor_is_refused(clerk: Client, desk: Any) -> None:
    await filed(clerk)
    await courier.sequence(desk.world)
    for types, count in (("slip.*", 1), ("slip.filed,desk.opened", 1), ("desk.opened", 0), ("*", 1)):
        page = (await clerk.get("/desk/v1/events", params={"types": types})).json()
        assert len(page["items"]) == count, types
    for made_up in ("x", "-1", "1" * 30, "1.5"):
        assert (await clerk.get(f"/desk/v1/events?after={made_up}")).status_code == 422
    for unknown in ("slip.eaten", "slip.filed,ship.*", "slip*", "sl%25.*", "slip.filed,", ""):
        answer = await clerk.get(f"/desk/v1/events?types={unknown}")
        assert answer.status_code == 422, unknown
        assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
            ("query/types", "unknown-event-type")
        ]
    kinds = (await clerk.get("/desk/v1/event-types")).json()["items"]
    assert kinds[0] == {"type": "slip.filed", "description": "A slip was filed.", "subject": "slip", "v": 1}


# Secrets


async def test_a_secret_is_in_no_later_answer_no_log_and_no_row(
    clerk: Client, desk: Any, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as logged:
        made = await registered(clerk, f"{receiver.url}/services/T0KEN?key=k3y")
        await filed(clerk)
        await Courier(desk.world).drain()
        answers = [
            await clerk.get(path) for path in (HOOKS, f"{HOOKS}/{made['id']}", "/desk/v1/deliveries", "/desk/v1/events")
        ]
        table = await clerk.get(HOOKS, headers={"Accept": "text/csv"})
    desk.app.state.account.lines.flush()
    logs = repr(logged) + capsys.readouterr().out
    bare = made["secret"].removeprefix("whsec_")
    assert all(bare not in answer.text for answer in (*answers, table))
    assert "/desk/v1/events" in logs
    assert bare not in logs
    assert "k3y" not in logs
    rows = await execute(desk, "SELECT w::text FROM webhook_endpoint w UNION ALL SELECT a::text FROM audit_event a")
    assert bare not in repr(rows)
    audited = await execute(desk, "SELECT facts FROM audit_event")
    assert "T0KEN" not in repr(audited)


async def test_a_replayed_registration_does_not_show_the_secret_again(clerk: Client, receiver: Receiver) -> None:
    body = {"url": receiver.url, "event_types": ["*"]}
    first = await clerk.post(HOOKS, json=body, headers={"Idempotency-Key": "once"})
    second = await clerk.post(HOOKS, json=body, headers={"Idempotency-Key": "once"})
    assert second.json() == first.json() | {"secret": None}


async def test_a_secret_that_no_key_opens_is_a_try_that_failed_and_not_the_end(
    make_desk: Callable[..., Any], clerk: Client, receiver: Receiver, other_receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    await filed(clerk)

    other = make_desk(sealing_keys=Fernet.generate_key().decode())
    async with other.world.opened():
        await Courier(other.world).drain()
    (one,) = await deliveries(clerk)
    (tried,) = (await clerk.get(f"/desk/v1/deliveries/{one['id']}")).json()["tries"]
    assert "operators" in tried["error"]
    assert receiver.got == other_receiver.got == []


async def test_the_worker_is_woken_by_the_commit_and_not_by_the_clock(
    clerk: Client, desk: Any, receiver: Receiver
) -> None:
    await registered(clerk, receiver.url)
    running = asyncio.create_task(Courier(desk.world).run())
    listening = "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN lodge_events' AND datname = current_database()"

    async def heard() -> bool:
        return bool(await execute(desk, listening))

    try:
        await until(heard)
        began = asyncio.get_running_loop().time()
        for number in range(5):
            await filed(clerk, str(number))
            await receiver.wait(number + 1)
        assert asyncio.get_running_loop().time() - began < 4
    finally:
        running.cancel()
        await asyncio.wait([running])
