"""What an asker may see of all that a decision rests on: an explanation tells nothing that one may not read otherwise.

Who may read neither the catalogue nor what systems registered, is told of those paths only by which the permission was
the subject's at some time, and of a resource's place that it is another. Who may neither ask for the decision
(`asking`) nor see every grant, is told `no` of what can be seen only: whether the rest permits it is not said.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from access_service import rights
from access_service.asking import Asker
from access_service.judging import Question
from access_service.questions.evidence import Permission, Subject
from access_service.tables import Person
from lodge_kit.identity import EVERYWHERE, Caller, Scope
from lodge_kit.problems import Forbidden


@dataclass(frozen=True, slots=True)
class View:
    """What one asker may see."""

    by: Caller
    grants: Scope
    """The org units whose grants are seen."""
    subject: bool
    """Whether what the server holds of the subject is seen."""
    decision: bool
    """Whether it is told what is decided by grants too that are not seen."""

    @property
    def catalogue(self) -> bool:
        """Say whether permissions, roles and systems are seen that never were the subject's."""
        return self.by.may(rights.CATALOGUE_READ)

    @property
    def whole(self) -> bool:
        """Say whether every way is seen in which the permission could be held."""
        return self.catalogue and self.grants == "*"

    def resource(self, permission: Permission) -> bool:
        """Say whether it is seen what the permission's system registered of the resource."""
        return self.catalogue or permission.owner == self.by.id


def is_own(question: Question, subject: Subject | None, by: Caller) -> bool:
    """Say whether it is a question about oneself, which anybody may ask."""
    return question.subject == by.id or (subject is not None and subject.thing.id == by.id)


def demand_reader(question: Question, by: Caller) -> None:
    """Refuse who may not read others' grants where the question is about. Raises `Forbidden`."""
    unit = question.resource_properties.get("org_unit")
    by.demand(rights.GRANTS_READ, unit if isinstance(unit, str) else None)


def of_oneself(by: Caller) -> View:
    """Answer what somebody sees of what bears on oneself."""
    return View(by, grants="*", subject=True, decision=True)


async def of_another(
    session: AsyncSession, subject: Subject | None, systems: Collection[str], *, by: Caller, now: datetime
) -> View:
    """Answer what one sees of what bears on another.

    Either the decision may be asked for in all `systems` that are meant, or the person and the catalogue, which it
    rests on, may be read. Raises `Forbidden`; what it says is the same for whoever is asked about, known or not.
    """
    grants, reads = by.scope(rights.GRANTS_READ), await _reads(session, subject, by)
    asks = await Asker(by, session, at=now).may_in(systems)
    if not asks and not (reads and by.may(rights.CATALOGUE_READ)):
        raise Forbidden(
            f"To have another's decision explained, you need {rights.EVALUATE.name} in the systems that are meant, or"
            f" may read what it rests on: that person ({rights.PEOPLE_READ.name}) and the catalogue"
            f" ({rights.CATALOGUE_READ.name}). About yourself you may always ask."
        )
    return View(by, grants, subject=reads, decision=asks or grants == "*")


async def _reads(session: AsyncSession, subject: Subject | None, by: Caller) -> bool:
    """Say whether the person may be read; of a service account there is nothing but its name."""
    if subject is not None and subject.thing.kind == "service-account":
        return by.may(rights.PEOPLE_READ)
    person = await session.get(Person, subject.thing.id) if subject else None
    return by.may(rights.PEOPLE_READ, (person.org_unit if person else None) or EVERYWHERE)
