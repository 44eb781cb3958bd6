"""Who may give and end which role: its owner, the owner of its system, and holders of `access.grant.any`.

Each within the org units that the right is held for; nobody gives or ends what one holds oneself, nor gives through
a service account that one answers for. Who joins a group is
given its roles, and who leaves it loses them: the same is asked of who puts people in and takes them out, and of who
says by which id of the institution somebody logs in: that is to give all that this one holds to whoever has it. The
institution's directory alone may do so unasked, unless a role is of Lodge itself (docs/decisions/0015).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import decisions, org_units, rights
from access_service.rules import joined
from access_service.tables import Grant, GroupMember, Role, ServiceAccount, System
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.problems import Forbidden

_ANYBODYS = ("request", "emergency")


async def demand_giver(session: AsyncSession, by: Caller, role: Role, subject: str, org_unit: str | None) -> None:
    """Refuse one who may not give `role` to `subject` there, or end it. Raises `Forbidden`."""
    if subject == by.id or await session.get(GroupMember, (subject, by.id)) is not None:
        raise Forbidden("Nobody gives or ends a role of one's own. Ask another who may.")
    await _demand_answers_for(session, by, role, org_unit)


async def demand_not_ones_own(session: AsyncSession, by: Caller, role: Role, subject: str) -> None:
    """Refuse to give `role` to whom the giver acts through: who answers for a service account and the account are one.

    Lodge's own roles give no more than their giver has (`demand_held`), so that one who is alone can give them to
    accounts. Raises `Forbidden`.
    """
    system = await session.get(System, role.system_id)
    if system is not None and system.key == decisions.LODGE:
        return
    giver, given = [await _answering_for(session, one) for one in (by.id, subject)]
    if giver == given or await session.get(GroupMember, (subject, giver)) is not None:
        raise Forbidden("Nobody gives a role to oneself, or to a service account one answers for. Ask another.")


async def _answering_for(session: AsyncSession, who: str) -> str:
    account = await session.get(ServiceAccount, who) if who.startswith("svc_") else None
    return account.owner if account is not None and account.owner is not None else who


async def _demand_answers_for(session: AsyncSession, by: Caller, role: Role, org_unit: str | None) -> None:
    if by.may(rights.GRANT_ANY, org_unit or EVERYWHERE):
        return
    system = await session.get(System, role.system_id)
    if by.id not in (role.owner, system.owner if system else None):
        where = f"for org unit {org_unit}" if org_unit else "for the whole institution"
        raise Forbidden(
            "You answer neither for this role nor for its system. Ask who does; to give roles of every system needs"
            f" the permission {rights.GRANT_ANY.name} {where}."
        )
    demand_within_scope(by, org_unit)


def demand_within_scope(by: Caller, org_unit: str | None) -> None:
    """Refuse who may neither give roles there nor end them. Raises `Forbidden`."""
    if by.may(rights.GRANT_ANY, org_unit or EVERYWHERE):
        return
    scope = by.scope(rights.GRANT)
    if scope != "*" and org_unit not in scope:
        where = f"for org unit {org_unit}" if org_unit else "for the whole institution"
        held = "you hold it for some org units only" if scope else "you do not hold it"
        raise Forbidden(f"This needs the permission {rights.GRANT.name} {where}; {held}.")


def demand_origin(by: Caller, origin: str, org_unit: str | None) -> None:
    """Refuse to let an owner say that a role came by a rule or from another system's records. Raises `Forbidden`."""
    if origin not in _ANYBODYS and not by.may(rights.GRANT_ANY, org_unit or EVERYWHERE):
        raise Forbidden(
            f"The origin {origin} needs the permission {rights.GRANT_ANY.name}. What you give yourself is a request,"
            " or an emergency."
        )


async def demand_held(session: AsyncSession, by: Caller, role: Role, org_unit: str | None, *, now: datetime) -> None:
    """Refuse to give more of Lodge's own rights than the giver has: who may give roles could have them all else."""
    system = await session.get(System, role.system_id)
    if system is None or system.key != decisions.LODGE:
        return
    held = await decisions.usable_in_lodge(session, by, at=now)
    parents = await org_units.parents(session) if org_unit else {}
    for name in await decisions.contained(session, role.id):
        scope = joined(held.get(name, []), parents)
        if scope != "*" and org_unit not in scope:
            raise Forbidden(f"This role of Lodge contains {name}, which you do not hold there. Ask one who does.")


async def demand_may_join(
    session: AsyncSession, group: str, *, by: Caller, now: datetime, is_directory: bool = False
) -> None:
    """Refuse to put anybody into a group of which `by` could not give every role. Raises `Forbidden`."""
    for grant, role in await _given_to(session, group, now=now, of_lodge=is_directory):
        with _telling_of(role):
            await _demand_answers_for(session, by, role, grant.org_unit)
            await demand_held(session, by, role, grant.org_unit, now=now)


async def demand_may_leave(
    session: AsyncSession, group: str, people: Collection[str], *, by: Caller, now: datetime, is_directory: bool = False
) -> None:
    """Refuse to take people out of a group of which `by` could not end every grant. Raises `Forbidden`."""
    for grant, role in await _given_to(session, group, now=now, of_lodge=is_directory):
        with _telling_of(role):
            if by.id in people:
                raise Forbidden("Nobody ends a role of one's own. Ask another who may.")
            await _demand_answers_for(session, by, role, grant.org_unit)


async def demand_may_identify(
    session: AsyncSession, person: str, *, by: Caller, now: datetime, is_directory: bool = False
) -> None:
    """Refuse to say who logs in as a person of whom `by` could not give every role. Raises `Forbidden`."""
    groups = (
        await session.execute(select(col(GroupMember.group_id)).where(col(GroupMember.person_id) == person))
    ).scalars()
    for grant, role in await _given_to(session, person, *groups, now=now, of_lodge=is_directory):
        with _telling_of(role, "Who logs in as this person"):
            await _demand_answers_for(session, by, role, grant.org_unit)
            await demand_held(session, by, role, grant.org_unit, now=now)


async def _given_to(session: AsyncSession, *holders: str, now: datetime, of_lodge: bool) -> list[tuple[Grant, Role]]:
    """Answer what these were given and hold, now or later; with `of_lodge` Lodge's own roles only."""
    found = select(Grant, Role).join(Role, col(Role.id) == col(Grant.role_id)).where(col(Grant.subject).in_(holders))
    found = found.where(or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now)).order_by(col(Grant.id))
    if of_lodge:
        found = found.join(System, col(System.id) == col(Role.system_id)).where(col(System.key) == decisions.LODGE)
    return [(row[0], row[1]) for row in await session.execute(found)]


@contextmanager
def _telling_of(role: Role, who: str = "Who is in this group") -> Iterator[None]:
    """Say which role it is for whose sake something is refused."""
    try:
        yield
    except Forbidden as refused:
        raise Forbidden(f"{who} has the role {role.id}. {refused.detail}") from refused
