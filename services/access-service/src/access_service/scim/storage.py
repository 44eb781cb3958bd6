"""Where SCIM reads and writes: Lodge's own tables by Lodge's own verbs, in the one transaction of the request."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from scim2_models import (
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
    UniquenessException,
)
from scim2_server.storage import AsyncScimStorage, SearchPage
from sqlalchemy import Select, func, null, or_, select, union_all
from sqlalchemy import cast as typed
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import attribute_sources, groups, people, rights
from access_service.scim import columns, filters, group_resources, pages, users
from access_service.scim.comparing import Condition
from access_service.scim.member_changes import MemberChange
from access_service.scim.provider import provider
from access_service.scim.resources import Group, User, kept_of_members
from access_service.tables import Group as GroupRow
from access_service.tables import GroupMember, Person
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.tables import IdText

_SOURCE_OF = {"emails": "email", "formatted_name": "name"}
"""What the source of an attribute is looked up by, where that is not the attribute's own name."""
_MUST_BE = frozenset(("user_name", "name"))
"""What a new person must have, whoever is to say it."""
_MEMBERS = "/members"
_ULID = 26
"""Characters of an id after its prefix."""


@dataclass(frozen=True)
class Storage(AsyncScimStorage):
    """The storage of one request."""

    session: AsyncSession
    caller: Caller
    now: datetime
    today: date
    """Where the institution is."""
    writing: bool = False
    """Whether what is read is about to be changed: it is then held until the transaction ends."""

    _theirs: list[frozenset[str]] = field(default_factory=list)
    """The attributes that are for others to say, once they were looked up."""

    _held: dict[str, users.Known] = field(default_factory=dict)
    """The people whom this operation has read and holds, so that it need not read them again."""

    supports_cursors = True

    @asynccontextmanager
    async def operation(self) -> AsyncIterator[None]:
        """Enclose one operation: one of a bulk request that fails undoes itself alone."""
        try:
            async with self.session.begin_nested() if self.writing else nullcontext():
                yield
        finally:
            self._held.clear()

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Read a user or a group; the members of a group only where the answer keeps them."""
        if resource_type.name == "User":
            return (await self._user(resource_id)).user()
        return (await self._group(resource_id, with_members=bool(kept_of_members(response_parameters))))[1]

    async def group_alone(self, group_id: str) -> Group:
        """Read a group without its members."""
        return (await self._group(group_id, with_members=False))[1]

    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """Read one page of what matches. Raises `InvalidFilterException`, `InvalidPathException` for sorting."""
        found = _found(resource_types, search_request, self._visible()).subquery()
        page = await pages.page(self.session, found, search_request, position)
        wanted: dict[str, list[str]] = {"User": [], "Group": []}
        for kind, one in page.rows:
            wanted[kind].append(one)
        read: dict[str, Resource[Any]] = {
            one.row.id: one.user() for one in await users.read(self.session, wanted["User"])
        }
        with_members = bool(kept_of_members(search_request))
        groups_read = await group_resources.read(self.session, wanted["Group"], with_members=with_members)
        read |= {row.id: group for row, group in groups_read}
        resources = [read[one] for _, one in page.rows if one in read]
        return SearchPage(page.total, resources, next=page.next, previous=page.previous)

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Add a person or a group. What another source is to say is left out."""
        if resource_type.name == "User":
            return await self._create_user(cast(User, resource))
        told = cast(Group, resource)
        with _told_as_uniqueness():
            row = await groups.create(self.session, group_resources.told(told), by=self.caller, now=self.now)
        members = group_resources.meant(told)
        if members:
            await groups.add(
                self.session, row, members, by=self.caller, now=self.now, pointer=_MEMBERS,
                is_directory=self._is_directory,
            )  # fmt: skip
        return await self.get(resource_type, row.id)

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Make a person or a group what `resource` says.

        What another source is to say stays; so do `active` and `members` where nothing is said of them: nobody is
        taken back, and nobody out of a group, by being left out.
        """
        resource_id = cast(str, resource.id)
        if resource_type.name == "User":
            await self._change_user(await self._user(resource_id, version=expected_version), cast(User, resource))
            return await self.get(resource_type, resource_id)
        group = cast(Group, resource)
        await self.change_group(group, expected_version=expected_version)
        members = group_resources.meant(group)
        if members is not None:
            await self.change_members(resource_id, [MemberChange("replace", members)])
        return await self.get(resource_type, resource_id)

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        """Delete a person or a group; what was is kept."""
        if resource_type.name == "User":
            person = (await self._user(resource_id, version=expected_version)).row
            self.caller.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
            await people.delete(self.session, person, by=self.caller, now=self.now)
            self._held.clear()
        else:
            row, _ = await self._group(resource_id, with_members=False, version=expected_version)
            await groups.delete(self.session, row, by=self.caller, now=self.now, is_directory=self._is_directory)

    async def change_group(self, group: Group, *, expected_version: str | None = None) -> None:
        """Make a group what `group` says, its members apart."""
        row, current = await self._group(cast(str, group.id), with_members=False, version=expected_version)
        held = group_resources.told(current)
        new = {name: value for name, value in group_resources.told(group).items() if value != held[name]}
        if new:
            with _told_as_uniqueness():
                await groups.change(self.session, row, new, by=self.caller, now=self.now)
            await self.session.flush()

    async def change_members(self, group_id: str, changes: Sequence[MemberChange]) -> None:
        """Do what `changes` say, one after the other; only those whom they name are read and written."""
        row, _ = await self._group(group_id, with_members=False)
        session, by, now, known = self.session, self.caller, self.now, self._is_directory
        for change in changes:
            chosen = change.people
            if change.where is not None:
                condition = filters.row_condition(columns.MEMBERS, change.where)
                statement = select(col(GroupMember.person_id)).select_from(columns.MEMBERS.table).where(condition)
                statement = statement.where(col(GroupMember.group_id) == group_id)
                chosen = list((await session.execute(statement)).scalars())
            if change.do == "remove":
                await groups.remove(session, row, chosen, by=by, now=now, is_directory=known)
            elif change.do == "add":
                await groups.add(session, row, chosen or (), by=by, now=now, pointer=_MEMBERS, is_directory=known)
            else:
                await groups.set_members(
                    session, row, chosen or (), by=by, now=now, pointer=_MEMBERS, is_directory=known
                )

    async def _create_user(self, user: User) -> Resource[Any]:
        self.caller.demand(rights.PEOPLE_WRITE, EVERYWHERE)
        told = {name: value for name, value in users.told(user).items() if value is not None and value != []}
        theirs = await self._told_by_others(told.keys() - _MUST_BE)
        facts = {name: value for name, value in told.items() if name not in theirs}
        with _told_as_uniqueness():
            person = await people.create(self.session, facts, by=self.caller, now=self.now)
        if user.active is False:
            await people.deactivate(self.session, person, by=self.caller, now=self.now)
        known = users.Known(person)
        await known.follow(self.session, facts)
        return known.user()

    async def _change_user(self, known: users.Known, user: User) -> None:
        person, held = known.row, known.told()
        self.caller.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
        new = {name: value for name, value in users.told(user).items() if value != held[name]}
        theirs = await self._told_by_others(new)
        facts = {name: value for name, value in new.items() if name not in theirs}
        if facts:
            with _told_as_uniqueness():
                is_directory = self._is_directory
                await people.change(
                    self.session, person, facts, by=self.caller, now=self.now, is_directory=is_directory
                )
            await known.follow(self.session, facts)
        if "active" not in user.model_fields_set or user.active == (person.status == "active"):
            return
        self._held.clear()  # who comes back may come to another org unit
        if not user.active:
            await people.deactivate(self.session, person, by=self.caller, now=self.now)
        elif not await self._told_by_others([attribute_sources.STATUS]):
            await people.reactivate(self.session, person, by=self.caller, today=self.today, now=self.now)

    async def _told_by_others(self, names: Collection[str]) -> set[str]:
        """Answer those of `names` that are for another source to say: read-only to this caller."""
        if not self._theirs:  # asked once, however many people a bulk request brings
            others = await attribute_sources.others(self.session, self.caller, attribute_sources.ATTRIBUTES)
            self._theirs.append(frozenset(others))
        return {name for name in names if _SOURCE_OF.get(name, name) in self._theirs[0]}

    async def _user(self, person_id: str, *, version: str | None = None) -> users.Known:
        known = self._held.get(person_id) or await self._read_user(person_id)
        if version not in (None, known.version):
            raise PreconditionFailedException
        return known

    async def _read_user(self, person_id: str) -> users.Known:
        for known in await users.read(self.session, [person_id], locked=self.writing):
            if self._may_see(known.row):
                if self.writing:
                    self._held[person_id] = known
                return known
        raise NotFoundException(detail=f"There is no User {person_id} that you may see.")

    async def _group(self, group_id: str, *, with_members: bool, version: str | None = None) -> tuple[GroupRow, Group]:
        read = await group_resources.read(self.session, [group_id], with_members=with_members, locked=self.writing)
        for row, group in read:
            if version is not None and (group.meta is None or group.meta.version != version):
                raise PreconditionFailedException
            return row, group
        raise NotFoundException(detail=f"There is no Group {group_id}.")

    @property
    def _is_directory(self) -> bool:
        """Whether a service account calls, as directories do: a person's key by SCIM may no more than by the API."""
        return self.caller.id.startswith("svc_")

    def _may_see(self, person: Person) -> bool:
        unit = person.org_unit or EVERYWHERE
        may = self.caller.may
        return person.id == self.caller.id or may(rights.PEOPLE_READ, unit) or may(rights.PEOPLE_WRITE, unit)

    def _visible(self) -> Condition | None:
        """Write `_may_see` as a condition, None where all are seen."""
        read, write = self.caller.scope(rights.PEOPLE_READ), self.caller.scope(rights.PEOPLE_WRITE)
        if read == "*" or write == "*":
            return None
        return or_(col(Person.org_unit).in_(read | write), col(Person.id) == self.caller.id)


def _found(resource_types: Sequence[ResourceType], request: SearchRequest[Any], visible: Condition | None) -> Any:
    """Write what matches, of every type asked for, as one statement that `pages` can page."""
    models = [cast("type[Resource[Any]]", provider().model_for(one)) for one in resource_types]
    bindings = [request.sort_binding(model) for model in models]
    values = [columns.order(binding.urn) if binding else None for binding in bindings]
    kind_of_value: Any = next((getattr(value, "type", None) for value in values if value is not None), None)
    statements: list[Select[Any]] = []
    for resource_type, model, value in zip(resource_types, models, values, strict=True):
        row, start = (Person, columns.people) if resource_type.name == "User" else (GroupRow, columns.groups)
        # The prefix of an id tells the kind, what follows when it was made.
        age = col(row.id) if len(models) == 1 else func.right(col(row.id), _ULID, type_=IdText)
        missing = typed(null(), kind_of_value) if kind_of_value is not None else None
        chosen = pages.among(cast(str, resource_type.name), col(row.id), age, missing if value is None else value)
        statement = start(*chosen)
        if request.filter is not None:
            statement = statement.where(filters.condition(request.filter, model))
        if visible is not None and row is Person:
            statement = statement.where(visible)
        statements.append(statement)
    return statements[0] if len(statements) == 1 else union_all(*statements)


@contextmanager
def _told_as_uniqueness() -> Iterator[None]:
    try:
        yield
    except (people.NameTaken, groups.GroupNameTaken) as taken:
        raise UniquenessException(detail=taken.detail) from taken
