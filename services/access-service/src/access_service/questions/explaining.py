"""Why, why not, why no longer: a decision of any day, with every path and who made or ended each step of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy import any_, bindparam, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import org_units
from access_service.decisions import LODGE
from access_service.history import When
from access_service.judging import SUBJECT_TYPES, Question
from access_service.questions import gathering, paths, views
from access_service.questions.evidence import Evidence, Facet, Path, Permission, Subject
from access_service.questions.paths import Finding
from access_service.questions.periods import NEVER
from access_service.questions.sights import Sight, sights
from access_service.questions.views import View
from access_service.tables import OrgUnit, Person, ServiceAccount, System
from access_service.tables import Permission as PermissionRow
from lodge_kit.identity import Caller
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
    """A decision with all that it rests on, or what came nearest, as far as the asker may see it."""

    question: Question
    when: When
    view: View
    subject: Subject | None
    permissions: Sequence[Permission] = ()
    """Those that are meant, and that the asker may see."""
    is_known: bool = False
    """Whether there is a permission for that, seen or not."""
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
    def decision(self) -> bool | None:
        """Answer the decision; None where nothing that the asker may see permits it, and of the rest it is not told."""
        return True if self.finding.permit else False if self.view.decision or self.subject is None else None

    @property
    def hidden(self) -> bool:
        """Say whether it is permitted by what the asker may not see alone."""
        return self.finding.permit and not self.finding.held

    @property
    def told(self) -> Sequence[Path]:
        """Answer the paths that are told."""
        return self.finding.paths[:MOST_TOLD]


async def explain(session: AsyncSession, question: Question, when: When, *, by: Caller, now: datetime) -> Explanation:
    """Explain what is decided of a question, as of an instant, by what was on record at another.

    About others it needs `access.grants.read`, and what `views` demands besides. Raises `Forbidden`.
    """
    known = question.subject_type in SUBJECT_TYPES
    subject = await gathering.subject(session, question.subject, when) if known else None
    own = views.is_own(question, subject, by)
    if not own:
        views.demand_reader(question, by)
    meant = await gathering.permissions(session, question, subject, when) if subject else []
    systems = {one.system_id for one in meant}
    view = views.of_oneself(by) if own else await views.of_another(session, subject, systems, by=by, now=now)
    if subject is None:
        return Explanation(question, when, view, None)
    if not meant:
        return await _unknown(session, question, when, view, subject)
    evidence = await gathering.evidence(session, subject, meant, when, view=view)
    finding = _seen(paths.find(evidence, when.as_of), view)
    return await _explained(session, Explanation(question, when, view, subject, finding=finding), evidence)


async def _explained(session: AsyncSession, found: Explanation, evidence: Evidence) -> Explanation:
    """Tell who did what, and what there is besides, as far as the asker may see it."""
    at, view, meant = found.when.as_of, found.view, evidence.permissions
    is_known = view.catalogue or any(at in one.thing.active & one.means for one in meant)
    led = {path.permission.thing.id for path in found.finding.paths}
    seen = [one for one in meant if view.catalogue or one.thing.id in led]
    standing = [Facet("standing", one.thing.active, one.thing.id) for one in seen]
    steps = [step for path in found.told for step in path.steps]
    authors = await _authors(session, [*standing, *(facet for step in steps for facet in step.facets)])
    names = await _names(session, _mentioned(found.told, seen, authors))
    roles = [role.name for role in paths.having(evidence, at)][:_MOST_ROLES] if view.catalogue else []
    looked_at = {one.thing.id: sights(one, of_subject=view.subject, of_resource=view.resource(one)) for one in seen}
    return replace(
        found, permissions=seen, is_known=is_known, authors=authors, names=names, roles=roles, sights=looked_at
    )


def _seen(finding: Finding, view: View) -> Finding:
    """Leave those paths out that say more of the catalogue than the asker may read."""
    return finding if view.catalogue else replace(finding, paths=[path for path in finding.paths if path.led])


async def _unknown(session: AsyncSession, question: Question, when: When, view: View, subject: Subject) -> Explanation:
    systems, actions = await _alternatives(session, question) if view.catalogue else ([], [])
    return Explanation(question, when, view, subject, systems=systems, actions=actions)


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
