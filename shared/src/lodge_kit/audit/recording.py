"""Rows of the audit as they are written, and what is forgotten of a person."""

import hashlib
import hmac
import json
import secrets
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import context, ids
from lodge_kit.identity import Caller
from lodge_kit.tables import AuditEvent, AuditPersonal

ERASED = "audit.erased"
"""The deed that is on record where clear values were erased, of the person whose they were."""
_SALT = 16
"""Bytes: without them, who knows a digest could try names until one fits."""


class Digest(NamedTuple):
    """What a row keeps of a personal fact: whom it is about, and HMAC-SHA256 of the written value under its salt."""

    about: str
    digest: str

    @classmethod
    def of(cls, fact: Any) -> "Digest | None":
        """Read a fact; None when it is an ordinary one."""
        if isinstance(fact, dict) and fact.keys() == {"about", "digest"} and all(map(_is_text, fact.values())):
            return cls(**fact)
        return None

    def fits(self, clear: Any) -> bool:
        """Say whether a clear value (an `AuditPersonal`, or its columns) is the one that was digested."""
        return clear.about == self.about and hmac.compare_digest(digest(clear.salt, clear.value), self.digest)


def record(
    session: AsyncSession, action: str, /, *, kind: str, of: str, by: Caller | str, now: datetime,
    personal: list[str] | tuple[str, ...] = (), about: str | None = None, **facts: Any,
) -> None:  # fmt: skip
    """Write down that `by` did `action` to the thing `of`.

    `personal` names those of the facts that say something of a person: names, addresses, whatever somebody was free
    to write. `about` is that person, where it is not `of` itself. Their clear values lie apart, where `erase` finds
    them; the row has digests. Ids are never personal: who acted stays on record by id.
    """
    row = AuditEvent(
        id=ids.new("aud"),
        at=now,
        actor=by if isinstance(by, str) else by.id,
        client_id=None if isinstance(by, str) else by.client_id,
        action=action,
        subject_type=kind,
        subject_id=of,
        facts="",
        request_id=context.request_id(),
    )
    for field in set(personal) & {name for name, value in facts.items() if value is not None}:
        clear = AuditPersonal(
            audit_id=row.id, field=field, about=about or of, value=written(facts[field]),
            salt=secrets.token_bytes(_SALT),
        )  # fmt: skip
        session.add(clear)
        facts[field] = Digest(clear.about, digest(clear.salt, clear.value))._asdict()
    if isinstance(by, Caller) and by.actor is not None:
        facts["deputy"] = by.actor
    row.facts = written(facts)
    session.add(row)


async def erase(session: AsyncSession, person: str, *, kind: str, by: Caller | str, now: datetime) -> int:
    """Forget what the audit knows of `person` in clear, for good; answers how many values there were.

    The rows stay as they were sealed, with digests that nobody can try names on any more: their salts are gone too.
    """
    gone = await session.execute(delete(AuditPersonal).where(col(AuditPersonal.about) == person))
    count: int = gone.rowcount  # type: ignore[attr-defined]  # a DELETE's result has it
    record(session, ERASED, kind=kind, of=person, by=by, now=now, values=count)
    return count


def written(value: Any) -> str:
    """Answer the text that is sealed, or digested: JSON, its keys in order."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def digest(salt: bytes, value: str) -> str:
    """Answer HMAC-SHA256 of the written value under its salt, in hexadecimal."""
    return hmac.digest(salt, value.encode(), hashlib.sha256).hex()


def read(facts: str) -> dict[str, Any]:
    """Answer a row's facts; none where its text is no object."""
    found = parsed(facts)
    return found if isinstance(found, dict) else {}


def parsed(text: str) -> Any:
    """Answer a written value; None where the text is no JSON: a row that was tampered with must break no list."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def digests(facts: str) -> dict[str, Digest]:
    """Answer the personal ones among a row's facts, by their fields."""
    if '"digest"' not in facts:  # most rows have none, and verifying reads a million of them
        return {}
    return {field: found for field, fact in read(facts).items() if (found := Digest.of(fact))}


def _is_text(value: object) -> bool:
    return isinstance(value, str)
