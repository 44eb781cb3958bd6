"""Why, why not, why no longer: a decision of any day, with every path and who made or ended each step of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import any_, bindparam, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import org_units, rights
from access_service.decisions import LODGE
from access_service.history import When
from access_service.judging import SUBJECT_TYPES, Question
from access_service.questions import gathering, paths
from access_service.questions.evidence import Facet, Path, Permission, Subject
from access_service.questions.paths import Finding
from access_service.questions.periods import NEVER
from access_service.questions.sights import Sight, sights
from access_service.tables import OrgUnit, Person, ServiceAccount, System
from access_service.tables import Permission as PermissionRow
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.tables import AuditEvent, IdText, Instant

MOST_TOLD = 50
"""Paths that an answer tells of: those that hold, then those that miss least."""
_MOST_ROLES = 5

_CHANGES = select(col(AuditEvent.subject_id), col(AuditEvent.at), col(AuditEvent.actor)).where(
    col(AuditEvent.subject_id) == any_(bindparam("of", type_=ARRAY(IdText))),
    col(AuditEvent.at) == any_(bindparam("at", type_=ARRAY(Instant))),
)

Authors = Mapping[tuple[str, datetime], str]
_NOTHING = Finding(at=datetime.min.replace(tzinfo=UTC), permit=False, periods=NEVER, paths=())


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all that it rests on, or what came nearest."""

    question: Question
    when: When
    subject: Subject | None
    permissions: Sequence[Permission] = ()
    finding: Finding = _NOTHING
    authors: Authors = field(default_factory=dict)
    """Who changed a thing at an instant, by ids."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What people, service accounts and org units are called."""
    roles: Sequence[str] = ()
    """What the roles are called, or some of them, that had the permission then."""
    sights: Mapping[str, Sequence[Sight]] = field(default_factory=dict)
    """What the conditions looked at, by the permissions' ids."""
    systems: Sequence[str] = ()
    """What the systems are called that may be meant, where the permission is not known."""
    actions: Sequence[str] = ()
    """What else can be done in them with that type of resource."""

    @property
    def hidden(self) -> bool:
        """Say whether it is permitted by what the asker may not see alone."""
        return self.finding.permit and not self.finding.held

    @property
    def told(self) -> Sequence[Path]:
        """Answer the paths that are told."""
        return self.finding.paths[:MOST_TOLD]


async def explain(session: AsyncSession, question: Question, when: When, *, by: Caller) -> Explanation:
    """Explain what is decided of a question, as of an instant, by what was on record at another.

    About others it needs `access.grants.read`, and tells of those grants only that the caller may see. Raises
    `Forbidden`.
    """
    known = question.subject_type in SUBJECT_TYPES
    subject = await gathering.subject(session, question.subject, when) if known else None
    own = question.subject == by.id or (subject is not None and subject.thing.id == by.id)
    if not own:
        by.demand(rights.GRANTS_READ, _said_unit(question))
    if subject is None:
        return Explanation(question, when, None)
    meant = await gathering.permissions(session, question, subject, when)
    if not meant:
        systems, actions = await _alternatives(session, question)
        return Explanation(question, when, subject, systems=systems, actions=actions)
    scope = "*" if own else by.scope(rights.GRANTS_READ)
    evidence = await gathering.evidence(session, subject, meant, when, scope=scope)
    finding = paths.find(evidence, when.as_of)
    told = finding.paths[:MOST_TOLD]
    standing = [Facet("standing", one.thing.active, one.thing.id) for one in meant]
    authors = await _authors(session, [*standing, *(f for path in told for step in path.steps for f in step.facets)])
    names = await _names(session, _mentioned(told, meant, authors))
    roles = [role.name for role in paths.having(evidence, when.as_of)][:_MOST_ROLES]
    seen = await _sights(session, subject, meant, by=by)
    return Explanation(question, when, subject, meant, finding, authors, names, roles, seen)


async def _sights(
    session: AsyncSession, subject: Subject, meant: Iterable[Permission], *, by: Caller
) -> dict[str, list[Sight]]:
    """Answer what conditions looked at, as far as `by` may read people, and what systems registered."""
    person = await session.get(Person, subject.thing.id)
    reads = by.may(rights.PEOPLE_READ, person.org_unit or EVERYWHERE if person else None)
    of_subject = by.id == subject.thing.id or reads
    return {
        one.thing.id: sights(
            one, of_subject=of_subject, of_resource=one.owner == by.id or by.may(rights.CATALOGUE_READ)
        )
        for one in meant
    }


def _said_unit(question: Question) -> str | None:
    unit = question.resource_properties.get("org_unit")
    return unit if isinstance(unit, str) else None


async def _authors(session: AsyncSession, facets: Iterable[Facet]) -> Authors:
    """Answer who made the changes: the audit has each under the instant at which it took effect."""
    turns = {(one.recorded_of, at) for one in facets if one.recorded_of for span in one.periods.spans for at in span}
    found = await session.execute(_CHANGES, {"of": [of for of, _ in turns], "at": [at for _, at in turns]})
    return {(row.subject_id, row.at): row.actor for row in found if (row.subject_id, row.at) in turns}


def _mentioned(told: Iterable[Path], meant: Iterable[Permission], authors: Authors) -> set[str]:
    grants = [path.way.grant for path in told if path.way.grant]
    people = {one for grant in grants for one in (grant.by, grant.ended_by) if one} | set(authors.values())
    return people | {unit for permission in meant for unit in permission.units}


async def _names(session: AsyncSession, wanted: set[str]) -> Mapping[str, str]:
    kinds = (Person, ServiceAccount, OrgUnit)
    found = union_all(*(select(col(kind.id), col(kind.name)).where(col(kind.id).in_(wanted)) for kind in kinds))
    names = {row.id: row.name for row in await session.execute(found)} | {LODGE: "Lodge"}
    lost = [one for one in wanted - names.keys() if one.startswith("org_")]
    return names | (await org_units.last_names(session, lost) if lost else {})


async def _alternatives(session: AsyncSession, question: Question) -> tuple[list[str], list[str]]:
    systems = select(col(System.id), col(System.name)).order_by(col(System.name))
    if question.system is not None:
        systems = systems.where(or_(col(System.id) == question.system, col(System.key) == question.system))
    named = {row.id: row.name for row in await session.execute(systems)}
    actions = (
        select(col(PermissionRow.action))
        .where(col(PermissionRow.resource_type) == question.resource_type, col(PermissionRow.system_id).in_(named))
        .where(col(PermissionRow.state) == "active")
        .distinct()
        .order_by(col(PermissionRow.action))
    )
    return list(named.values()), list((await session.execute(actions)).scalars())
