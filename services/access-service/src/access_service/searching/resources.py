"""On which resources a subject may do it: of those that were registered in a system which has that permission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Row, text

from access_service import conditions, rules
from access_service.decisions import Reader, known_as
from access_service.held import HELD
from access_service.judging import Candidate, Properties, Question, covers, effective, judge
from access_service.searching.pages import Page, gather

_HELD_IN = text(
    HELD  # noqa: S608 - constants of these modules; every value is bound
    + """
    SELECT p.id, p.system_id, p.condition, p.request_wins, h.grant_id, h.org_unit, h.environment, h.given
    FROM permission p
    JOIN system s ON s.id = p.system_id AND (CAST(:system AS text) IS NULL OR s.key = :system OR s.id = :system)
    LEFT JOIN (
        held h JOIN role r ON r.id = h.role_id AND r.state = 'active' JOIN role_permission rp ON rp.role_id = r.id
    ) ON rp.permission_id = p.id
    WHERE p.action = :action AND p.resource_type = :resource_type AND p.state = 'active'
"""
)
_REGISTERED = text("""
    SELECT name, jsonb_object_agg(system_id, properties) AS properties FROM resource
    WHERE system_id = ANY (:systems) AND type = :resource_type AND name > :after
    GROUP BY name ORDER BY name LIMIT :n
""")
_TREE = text("SELECT id, parent FROM org_unit")


@dataclass(frozen=True, slots=True)
class _Named:
    """A resource, as each system that has one of this name registered it."""

    name: str
    properties: Mapping[str, Properties]


async def resources(reader: Reader, question: Question, *, at: datetime, after: str, limit: int) -> Page[str]:
    """Answer a page of the ids that systems gave to the resources, those that come after `after`."""
    subject = await known_as(reader, question)
    if subject is None:
        return Page([], None)
    asked = {
        "who": subject.id, "at": at, "action": question.action, "resource_type": question.resource_type,
        "system": question.system,
    }  # fmt: skip
    rows = (await reader.execute(_HELD_IN, asked)).all()
    held = [row for row in rows if row.given is not None]
    if not held:
        return Page([], None)
    await conditions.read(row.condition for row in held if row.condition is not None)
    parents = {row.id: row.parent for row in await reader.execute(_TREE)} if any(row.org_unit for row in held) else {}
    systems = sorted({row.system_id for row in rows})

    async def fetch(last: str, count: int) -> list[_Named]:
        wanted = {"systems": systems, "resource_type": question.resource_type, "after": last, "n": count}
        return [_Named(row.name, row.properties) for row in await reader.execute(_REGISTERED, wanted)]

    def permitted(one: _Named) -> bool:
        asked_of = replace(question, resource=one.name)
        return judge(asked_of, subject, _candidates(held, one, question, parents), known=True).permit

    page = await gather(fetch, permitted, lambda one: one.name, after=after, limit=limit)
    return Page([one.name for one in page.found], page.after)


def _candidates(
    held: Sequence[Row[Any]], one: _Named, question: Question, parents: Mapping[str, str | None]
) -> list[Candidate]:
    found = []
    for row in held:
        registered = one.properties.get(row.system_id, {})
        is_in = effective(registered, question.resource_properties, request_wins=row.request_wins)
        unit, environment = is_in.get("org_unit"), is_in.get("environment")
        units = rules.upwards(unit, parents) if isinstance(unit, str) else []
        there = covers(row.org_unit, row.environment, units=units, place=environment)
        found.append(
            Candidate(
                row.id, row.system_id, row.grant_id, None, (), there=there, condition=row.condition,
                request_wins=row.request_wins, registered=registered,
            )
        )  # fmt: skip
    return found
