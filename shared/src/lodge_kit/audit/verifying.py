"""Whether the chain is what it was: each row against its seal, each clear value against its digest, an earlier head.

The rows pass by in their order, a few hundred at a time, in one snapshot: however many there are, as much memory.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from lodge_kit.audit import chain, recording
from lodge_kit.audit.chain import Head
from lodge_kit.database import Database
from lodge_kit.tables import AuditEvent, AuditPersonal, IdText

_BATCH = 500
_CHAIN = chain.PLACES.order_by(col(AuditEvent.seq), col(AuditEvent.id)).execution_options(yield_per=_BATCH)
_ROWS = bindparam("rows", type_=ARRAY(IdText))
_CLEAR = select(
    col(AuditPersonal.audit_id), col(AuditPersonal.field), col(AuditPersonal.about), col(AuditPersonal.value),
    col(AuditPersonal.salt),
).where(col(AuditPersonal.audit_id) == func.any(_ROWS))  # fmt: skip


class AuditFinding(StrEnum):
    """What is wrong with a chain that does not verify."""

    ROW_CHANGED = "row-changed"
    ROW_MISSING = "row-missing"
    END_CUT_OFF = "end-cut-off"
    MADE_ANEW = "made-anew"
    VALUE_CHANGED = "value-changed"
    VALUE_MISSING = "value-missing"


_SAID = {
    None: "All {checked} rows are as they were sealed, in their order.",
    AuditFinding.ROW_CHANGED: "What stands at {seq} is not what was sealed there: the row was changed or put in, or one"
    " before it was taken out.",
    AuditFinding.ROW_MISSING: "The row at {seq} is gone, while later ones are there.",
    AuditFinding.END_CUT_OFF: "The chain was longer: the rows from {seq} on are gone.",
    AuditFinding.MADE_ANEW: "The seals fit each other, but at {seq} there was another than the head that was kept:"
    " somebody who has the key sealed the chain again, with changed rows up to there.",
    AuditFinding.VALUE_CHANGED: "A personal value of the row at {seq} is not what was recorded: its digest is another.",
    AuditFinding.VALUE_MISSING: "A personal value of the row at {seq} is gone, and no erasure of it is on record.",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it: how many rows were checked, and where the first thing that is wrong stands, if any is."""

    checked: int
    head: Head
    finding: AuditFinding | None = None
    seq: int | None = None

    @property
    def said(self) -> str:
        """Say it in a sentence."""
        return _SAID[self.finding].format(checked=self.checked, seq=self.seq)


async def verify(database: Database, key: bytes, *, earlier: Head = Head()) -> Verification:  # noqa: B008 - frozen
    """Verify the whole chain, and that it goes on from `earlier`, a head that was kept elsewhere."""
    async with database.reading() as session:
        now = await chain.head(session)
        passing = _Passing(key, earlier)
        connection = await session.connection()
        rows = await connection.stream(_CHAIN)
        try:
            async for batch in rows.partitions():
                finding = passing.found(batch, await _wrong_values(connection, batch))
                if finding:
                    return Verification(passing.seq - 1, now, finding, passing.seq)
        finally:
            await rows.close()
        if passing.seq < max(earlier.seq, await chain.counted(session)):
            return Verification(passing.seq, now, AuditFinding.END_CUT_OFF, passing.seq + 1)
        return Verification(passing.seq, now)


class _Passing:
    """Looks at rows as they pass by: `seq` is the place that was looked at last."""

    def __init__(self, key: bytes, earlier: Head) -> None:
        self._key, self._earlier = key, earlier
        self._seal = b""
        self.seq = 0

    def found(self, rows: Sequence[Any], wrong: Mapping[int, AuditFinding]) -> AuditFinding | None:
        """Answer the first that is wrong; `wrong` are the places where it is known to be of a personal value."""
        for seq, seal, *told in rows:
            self.seq += 1
            if seq > self.seq:
                return AuditFinding.ROW_MISSING
            self._seal = chain.sealed(self._key, self._seal, self.seq, told)
            if seq != self.seq or self._seal != seal:
                return AuditFinding.ROW_CHANGED
            if seq in wrong:
                return wrong[seq]
            if seq == self._earlier.seq and self._seal.hex() != self._earlier.seal:
                return AuditFinding.MADE_ANEW
        return None


async def _wrong_values(connection: AsyncConnection, rows: Sequence[Any]) -> dict[int, AuditFinding]:
    """Answer at which places a personal value does not fit its digest, or is gone and no erasure is on record."""
    marked = [(row, field, digest) for row in rows for field, digest in recording.digests(row.facts).items()]
    clear = await _clear(connection, {row.id for row, _, _ in marked})
    missing = [(row.seq, digest.about) for row, field, digest in marked if (row.id, field) not in clear]
    erased = await _erased(connection, {person for _, person in missing})
    wrong = {seq: AuditFinding.VALUE_MISSING for seq, person in missing if erased.get(person, 0) < seq}
    for row, field, digest in marked:
        value = clear.get((row.id, field))
        if value is not None and not digest.fits(value):
            wrong[row.seq] = AuditFinding.VALUE_CHANGED
    return wrong


async def _clear(connection: AsyncConnection, rows: Collection[str]) -> Mapping[tuple[str, str], Any]:
    """Answer the clear values that are there, by the ids of their rows and by their fields."""
    if not rows:
        return {}
    return {(one.audit_id, one.field): one for one in await connection.execute(_CLEAR, {"rows": list(rows)})}


async def _erased(connection: AsyncConnection, people: Collection[str]) -> Mapping[str, float]:
    """Answer the place of the last erasure that is on record of each; one that is not sealed yet is later than all."""
    if not people:
        return {}
    place = func.max(func.coalesce(col(AuditEvent.seq), float("inf")))
    found = (
        select(col(AuditEvent.subject_id), place)
        .where(col(AuditEvent.action) == recording.ERASED, col(AuditEvent.subject_id).in_(people))
        .group_by(col(AuditEvent.subject_id))
    )
    return {person: float(seq) for person, seq in await connection.execute(found)}
