"""What people are told: their own list of tasks, and mail that carries links."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from lodge_kit import notices
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

ALICE = "per_01J000000000000000000ALXCE"
BOB = "per_01J00000000000000000000B0B"
CAROL = "per_01J0000000000000000000CAR0"


@dataclass
class Post:
    """A mail server that keeps what it got, or refuses it."""

    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuse: str | None = None
    port: int = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return self.refuse
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append((envelope.rcpt_tos, letter))
        return "250 OK"


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    found = Post()
    running = asyncio.get_running_loop()
    server = await running.create_server(lambda: SMTP(found, hostname="mail.test", loop=running), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


@pytest.fixture
async def desk(make_desk: Callable[..., Any], post: Post) -> Any:
    desk = make_desk(smtp_url=f"smtp://127.0.0.1:{post.port}", portal_url="https://portal.example/")
    desk.people.add(ALICE, "Alice", email="alice@campus.example")
    desk.people.add(BOB, "Bob", email="bob@campus.example")
    desk.people.add(CAROL, "Carol", email="carol@campus.example")
    return desk


async def titles(client: Client, person: str, query: str = "") -> list[str]:
    found = (await client.acting(person).get(f"/desk/v1/tasks?for=me{query}")).json()["items"]
    return [one["title"] for one in found]


async def test_a_notice_is_a_line_in_the_tasks_of_whom_it_is_meant_for_alone(clerk: Client, desk: Any) -> None:
    made = await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
    assert (await titles(clerk, ALICE), await titles(clerk, BOB)) == (["A slip"], [])
    (line,) = (await clerk.acting(ALICE).get("/desk/v1/tasks")).json()["items"]
    assert line["url"] == f"https://portal.example/slips/{made['id']}"
    assert (line["event_type"], line["subject_id"], line["state"]) == ("slip.filed", made["id"], "open")
    done = f"/desk/v1/tasks/{line['id']}/done"
    assert (await clerk.acting(BOB).post(done)).status_code == 404
    assert (await clerk.acting(ALICE).post(done)).status_code == 204
    assert await titles(clerk, ALICE) == []
    assert await titles(clerk, ALICE, "&state=done") == ["A slip"]
    assert (await clerk.acting(ALICE).get(f"/desk/v1/tasks?for={BOB}")).status_code == 422
    assert await notices.route(desk.world) == 1
    assert await notices.route(desk.world) == 0


async def test_mail_goes_out_with_a_link_and_nothing_else(clerk: Client, desk: Any, post: Post) -> None:
    made = await clerk.made("/desk/v1/slips", text="a classified result", tell=ALICE)
    await notices.route(desk.world)
    assert await notices.send_mail(desk.world) == 1
    assert await notices.send_mail(desk.world) == 0
    ((to, letter),) = post.letters
    assert (to, letter["Subject"]) == (["alice@campus.example"], "A slip")
    assert letter.get_content().split() == ["A", "slip", f"https://portal.example/slips/{made['id']}"]
    assert letter["Auto-Submitted"] == "auto-generated"


async def test_who_has_left_is_stood_in_for_by_the_deputy_then_by_the_administrators(
    clerk: Client, desk: Any, post: Post
) -> None:
    desk.people.leave(ALICE, deputy=BOB)
    desk.people.administrators = [CAROL]
    await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
    await notices.route(desk.world)
    assert (await titles(clerk, ALICE), await titles(clerk, BOB)) == ([], ["A slip"])
    desk.people.leave(BOB)
    await clerk.made("/desk/v1/slips", text="y", tell=ALICE)
    await notices.route(desk.world)
    assert await titles(clerk, CAROL) == ["A slip"]
    await notices.send_mail(desk.world)
    assert sorted(to[0] for to, _ in post.letters) == ["bob@campus.example", "carol@campus.example"]


async def test_while_people_cannot_be_asked_about_notices_wait_and_are_on_the_list_already(
    clerk: Client, desk: Any
) -> None:
    desk.people.away = True
    await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
    assert await notices.route(desk.world) == 0
    assert await titles(clerk, ALICE) == ["A slip"]
    desk.people.away = False
    assert await notices.route(desk.world) == 1


async def test_who_wants_a_digest_gets_one_mail_in_the_morning(
    make_desk: Callable[..., Any], issuer: Issuer, post: Post
) -> None:
    long_ago = datetime(2026, 3, 1, 12, tzinfo=UTC)
    desk = make_desk(clock=lambda: long_ago, smtp_url=f"smtp://127.0.0.1:{post.port}")
    desk.people.add(ALICE, "Alice", email="alice@campus.example", notices="daily")
    desk.people.add(BOB, "Bob", email="bob@campus.example", notices="none")
    async with desk.opened(issuer) as clerk:
        for person in (ALICE, ALICE, BOB):
            await clerk.made("/desk/v1/slips", text="x", tell=person)
        await notices.route(desk.world)
        async with desk.world.database.transaction() as session:
            due = (await session.execute(text("SELECT DISTINCT due_at FROM mail"))).scalars().all()
        assert due == [datetime(2026, 3, 2, 7, tzinfo=UTC)]
        assert await notices.send_mail(desk.world) == 1
    ((to, letter),) = post.letters
    assert (to, letter["Subject"]) == (["alice@campus.example"], "Lodge: 2 things for you")


async def test_mail_that_is_put_off_is_tried_again_later_then_given_up_aloud(
    clerk: Client, desk: Any, post: Post
) -> None:
    post.refuse = "451 later"
    for person in (ALICE, BOB):
        await clerk.made("/desk/v1/slips", text="x", tell=person)
    await notices.route(desk.world)
    for failures in range(1, 6):
        with structlog.testing.capture_logs() as logged:
            assert await notices.send_mail(desk.world) == 0
        found = await unsent(desk)
        assert found == [(failures, "SMTPDataError", failures < 5)] * 2
        assert [one["log_level"] for one in logged] == (["warning"] if failures < 5 else ["warning", "error"]) * 2
    assert "campus.example" not in repr(logged)
    post.refuse = None
    assert await notices.send_mail(desk.world) == 0
    async with desk.world.database.transaction() as session:
        await session.execute(text("UPDATE mail SET failures = 1"))
    assert await notices.send_mail(desk.world) == 2
    assert len(post.letters) == 2


async def unsent(desk: Any) -> list[Any]:
    """Answer the mails' failures, errors and whether they wait for later; then let them wait no longer."""
    async with desk.world.database.transaction() as session:
        found = (await session.execute(text("SELECT failures, error, due_at > now() FROM mail"))).all()
        await session.execute(text("UPDATE mail SET due_at = now()"))
    return [tuple(one) for one in found]


async def test_mail_that_is_refused_for_good_is_given_up_at_once(clerk: Client, desk: Any, post: Post) -> None:
    post.refuse = "554 no"
    await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
    await notices.route(desk.world)
    with structlog.testing.capture_logs() as logged:
        assert await notices.send_mail(desk.world) == 0
    assert [one["log_level"] for one in logged] == ["warning", "error"]
    assert await unsent(desk) == [(5, "SMTPDataError", False)]
    assert await titles(clerk, ALICE) == ["A slip"], "its reader finds it in the list still"


async def test_a_mail_server_that_is_away_is_no_error(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    desk = make_desk(smtp_url="smtp://user:p%40ss@127.0.0.1:9")
    desk.people.add(ALICE, "Alice", email="alice@campus.example")
    async with desk.opened(issuer) as clerk:
        await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
        await notices.route(desk.world)
        assert await notices.send_mail(desk.world) == 0


async def test_without_a_mail_server_nothing_is_put_aside(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    desk = make_desk()
    desk.people.add(ALICE, "Alice", email="alice@campus.example")
    async with desk.opened(issuer) as clerk:
        await clerk.made("/desk/v1/slips", text="x", tell=ALICE)
        await notices.route(desk.world)
        async with desk.world.database.transaction() as session:
            assert (await session.execute(text("SELECT count(*) FROM mail"))).scalar_one() == 0


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.sampled_from(["Europe/London", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_the_next_digest_is_at_seven_local_and_the_first_such_after_now(now: datetime, zone: str) -> None:
    due = notices.next_digest(now, ZoneInfo(zone))
    local = due.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute, local.second, local.microsecond) == (7, 0, 0, 0)
    assert timedelta() < due.astimezone(UTC) - now <= timedelta(hours=25)
    assert local.date() - now.astimezone(ZoneInfo(zone)).date() in (timedelta(), timedelta(days=1))
