"""What a subject may do with a resource."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Row, text

from access_service import conditions
from access_service.decisions import Reader, candidates, known_as, place
from access_service.held import HELD, MEANT_OF_EVERY_ACTION, WAYS
from access_service.judging import Question, judge

_OF_EVERY_ACTION = text(HELD + "," + MEANT_OF_EVERY_ACTION + WAYS)


async def actions(reader: Reader, question: Question, *, at: datetime) -> list[str]:
    """Answer the names of the actions that are permitted, in order; the question's own action is not looked at."""
    subject = await known_as(reader, question)
    if subject is None:
        return []
    rows = (await reader.execute(_OF_EVERY_ACTION, place(question) | {"who": subject.id, "at": at})).all()
    await conditions.read(row.condition for row in rows if row.condition is not None)
    by_action: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_action[row.action].append(row)
    return [
        action
        for action, held in sorted(by_action.items())
        if judge(replace(question, action=action), subject, candidates(held), known=True).permit
    ]
