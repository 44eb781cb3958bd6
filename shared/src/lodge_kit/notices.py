"""What a person is to know or do: a line in `/tasks`, and a mail where mail is set up.

Wherever a text of ours says told, warned or reminded, it is one of these beside the event. A notice is meant for one
person; who has left is stood in for by the deputy, then by the administrators. Mail carries links, never results.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, SecretStr
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import ids, logs, smtp
from lodge_kit.database import Session
from lodge_kit.directory import Recipient
from lodge_kit.identity import Authenticated
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound, Unavailable
from lodge_kit.settings import ServiceSettings
from lodge_kit.tables import Event, Mail, Notice
from lodge_kit.world import Now, World

log = logs.logger(__name__)

DIGEST_HOUR = 7
"""When the day's digest goes out, in the institution's time zone."""
_BATCH = 100
_RETRIES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_MOST_FAILURES = len(_RETRIES) + 1
"""A mail that failed so often is given up."""


class Task(BaseModel):
    """A line in somebody's list of things to know or do."""

    id: str
    title: str
    url: str
    event_type: str
    subject_id: str
    state: Literal["open", "done"]
    created_at: datetime
    done_at: datetime | None


TASKS = Listing(Task, key=col(Notice.id), orders={"created_at": col(Notice.created_at)}, default="-created_at")


async def tell(session: AsyncSession, person: str, event: Event, *, title: str, path: str, now: datetime) -> None:
    """Tell `person` of what `event` says. `path` is where the portal deals with it; no personal data in `title`."""
    session.add(
        Notice(
            id=ids.new("ntc"),
            recipient=person,
            told=[person],
            event_id=event.id,
            title=title,
            path=path,
            created_at=now,
        )
    )
    await session.flush()


async def settle(
    session: AsyncSession, event_type: str, subjects: Collection[str] | Select[str], *, now: datetime
) -> None:
    """Take off everybody's list what events of this type said of these subjects (ids): it is dealt with."""
    said = select(col(Event.id)).where(col(Event.subject_id).in_(subjects), col(Event.type) == event_type)
    still_open = col(Notice.event_id).in_(said), col(Notice.done_at).is_(None)
    await session.execute(update(Notice).where(*still_open).values(done_at=now))


async def settle_event(session: AsyncSession, event_id: str, *, now: datetime) -> None:
    """Take off everybody's list what this one event said: it holds no more."""
    said = col(Notice.event_id) == event_id, col(Notice.done_at).is_(None)
    await session.execute(update(Notice).where(*said).values(done_at=now))


router = APIRouter(tags=["tasks"])


def _shown(notice: Notice, event: Event, portal: str) -> Task:
    state = "done" if notice.done_at else "open"
    facts = {"url": portal + notice.path, "event_type": event.type, "subject_id": event.subject_id, "state": state}
    return Task.model_validate(notice.model_dump() | facts)


@router.get("/tasks", responses=TASKS.responses)
async def list_tasks(
    request: Request, by: Authenticated, ask: Annotated[Ask, TASKS.ask],
    for_: Annotated[Literal["me"], Query(alias="for")] = "me",
    state: Literal["open", "done"] = "open",
) -> Response:  # fmt: skip
    """List what you are to know or do in this service."""
    portal = request.app.state.world.settings.portal_url.rstrip("/")
    found = select(Notice, Event).join(Event, col(Event.id) == col(Notice.event_id))
    found = found.where(col(Notice.told).contains([by.named(for_)]))
    found = found.where(col(Notice.done_at).is_(None) if state == "open" else col(Notice.done_at).is_not(None))
    return await TASKS.answer(request, ask, found, lambda r: _shown(r[0], r[1], portal), filename="tasks")


@router.post("/tasks/{task_id}/done", status_code=204)
async def finish_task(task_id: str, session: Session, by: Authenticated, now: Now) -> None:
    """Take a line off the list."""
    notice = await session.get(Notice, task_id)
    if notice is None or by.id not in notice.told:
        raise NotFound(f"There is no task {task_id} of yours.")
    notice.done_at = notice.done_at or now


async def route(world: World) -> int:
    """Find out who is told of each new notice, and by which mail; answers how many were new.

    While access-service cannot be asked, they wait: their line in `/tasks` is there already.
    """
    async with world.database.transaction() as session:
        fresh = select(Notice).where(col(Notice.routed_at).is_(None)).order_by(col(Notice.id)).limit(_BATCH)
        notices = list((await session.execute(fresh.with_for_update(skip_locked=True))).scalars())
        known: dict[str, list[Recipient]] = {}
        for notice in notices:
            if notice.recipient not in known:
                try:
                    known[notice.recipient] = await world.directory.recipients(notice.recipient)
                except Unavailable:
                    log.warning("notices wait until access-service answers", waiting=len(notices))
                    return 0
            await _route_to(session, notice, known[notice.recipient], world)
        return len(notices)


async def _route_to(session: AsyncSession, notice: Notice, told: list[Recipient], world: World) -> None:
    now = world.clock()
    notice.told = sorted({one.id for one in told} or {notice.recipient})
    notice.routed_at = now
    if world.settings.smtp_url is None:
        return
    for one in told:
        if one.email and one.notices != "none":
            due = now if one.notices == "each" else next_digest(now, world.settings.time_zone)
            await session.execute(
                insert(Mail)
                .values(notice_id=notice.id, address=one.email, due_at=due, failures=0)
                .on_conflict_do_nothing()
            )


def next_digest(now: datetime, zone: ZoneInfo) -> datetime:
    """Answer when the next digest goes out: 07:00 of this day or the next, where the institution is."""
    local = now.astimezone(zone)
    due = local.replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return due if due > local else (due + timedelta(days=1))


async def send_mail(world: World) -> int:
    """Send what is due, one mail an address; answers how many mails went out."""
    sent = 0
    if world.settings.smtp_url is not None:
        while (went := await _send_next(world, world.settings.smtp_url)) is not None:
            sent += went
    return sent


async def _send_next(world: World, server: SecretStr) -> bool | None:
    """Send one address what is due; says whether it went, None when nothing is due.

    An address a transaction: a mail server that hangs then holds one for twenty seconds, not for a hundred of them.
    """
    async with world.database.transaction() as session:
        due = select(Mail).where(
            col(Mail.sent_at).is_(None), col(Mail.due_at) <= func.now(), col(Mail.failures) < _MOST_FAILURES
        )
        first = due.order_by(col(Mail.due_at)).limit(1).with_for_update(skip_locked=True)
        mail = (await session.execute(first)).scalar_one_or_none()
        if mail is None:
            return None
        same = due.where(col(Mail.address) == mail.address).order_by(col(Mail.notice_id)).limit(_BATCH)
        mails = list((await session.execute(same.with_for_update(skip_locked=True))).scalars())
        wanted = col(Notice.id).in_([one.notice_id for one in mails])
        lines = list((await session.execute(select(Notice).where(wanted).order_by(col(Notice.id)))).scalars())
        try:
            await smtp.send(server, letter(world.settings, mail.address, lines))
        except smtp.NotSentError as error:
            _put_off(mails, error, now=datetime.now(UTC))
            return False
        for one in mails:
            one.error, one.sent_at = None, datetime.now(UTC)
        return True


def _put_off(mails: list[Mail], error: smtp.NotSentError, *, now: datetime) -> None:
    """Keep what is to be tried again for later, and say what is given up: it stands in its reader's `/tasks` still."""
    given_up = []
    for one in mails:
        one.error = str(error)
        one.failures = _MOST_FAILURES if error.permanent else one.failures + 1
        if one.failures < _MOST_FAILURES:
            one.due_at = now + _RETRIES[one.failures - 1]
        else:
            given_up.append(one.notice_id)
    log.warning("mail was not sent", reason=str(error))
    if given_up:
        log.error("mail was given up; its notices stand under /tasks", reason=str(error), notices=given_up)


def letter(settings: ServiceSettings, address: str, lines: list[Notice]) -> EmailMessage:
    """Write the mail: a line and a link for each notice."""
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.mail_from, address
    subject = lines[0].title if len(lines) == 1 else f"Lodge: {len(lines)} things for you"
    mail["Subject"] = " ".join(subject.split())  # a line break would end the header
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office replies do not answer it
    portal = settings.portal_url.rstrip("/")
    mail.set_content("\n\n".join(f"{line.title}\n{portal}{line.path}" for line in lines) + "\n")
    return mail
