"""Who holds which roles: people, service accounts and groups, each with its grants packed into a few bytes."""

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from access_service.held import ATTRIBUTES

RECORD = struct.Struct(">iiiqq30s")
"""A grant: the numbers of role, org unit and environment, from when to when, and its id."""
_ROLE = struct.Struct(">i54x")
"""The role in it."""
_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ALWAYS, _NEVER = -(2**63), 2**63
"""Before and after every moment."""


def moment(at: datetime) -> int:
    """Answer an instant as PostgreSQL sends it: microseconds since 2000."""
    return (at - _ZERO) // _MICROSECOND


class Given:
    """What was given to one: to a group, a person, a service account.

    Roles are added up to numbers with a bit for each, when they are first asked for: a hundred decisions in a row are
    about the same subject, and most subjects are asked about by nobody.
    """

    __slots__ = ("_grants", "_since", "_until", "everywhere", "id", "somewhere")

    def __init__(self, id: str) -> None:  # noqa: A002 - it is one
        self.id = id
        self.everywhere = 0
        """The roles that are held everywhere, as of the last `add_up`."""
        self.somewhere = 0
        """Those that are held for an org unit or an environment."""
        self.put(b"")

    def put(self, grants: bytes) -> None:
        """Take these for all grants, each a `RECORD`; those that have ended, or not begun, may be among them."""
        self._grants = grants
        self._since, self._until = _NEVER, _ALWAYS

    def add_up(self, at: int) -> None:
        """Have the roles be those of a `moment`."""
        if self._since <= at < self._until:
            return
        everywhere = somewhere = 0
        since, until = _ALWAYS, _NEVER
        for role, unit, environment, begins, ends, _ in self.grants():
            if at < begins:
                until = min(until, begins)
            elif at >= ends:
                since = max(since, ends)
            else:
                since, until = max(since, begins), min(until, ends)
                if unit or environment:
                    somewhere |= 1 << role
                else:
                    everywhere |= 1 << role
        self.everywhere, self.somewhere, self._since, self._until = everywhere, somewhere, since, until

    def grants(self) -> Iterator[tuple[int, int, int, int, int, bytes]]:
        """Yield each grant as in `RECORD`."""
        return RECORD.iter_unpack(self._grants)

    def oldest(self, role: int, at: int) -> bytes | None:
        """Answer the id of the oldest grant of a role that holds at a moment."""
        found = None
        for number, (given,) in enumerate(_ROLE.iter_unpack(self._grants)):  # a third of the time of whole records
            if given == role:
                _, _, _, begins, ends, grant = RECORD.unpack_from(self._grants, number * RECORD.size)
                if begins <= at < ends and (found is None or grant < found):
                    found = grant
        return found


class Holder(Given):
    """A person or a service account, active or not; one who is deleted is known by the id only.

    Here the roles are those of the groups too, and those that everybody has.
    """

    __slots__ = ("_changes", "about", "active", "external_id", "groups", "is_person", "name")

    def __init__(self, id: str, name: str | None, external_id: str | None, about: str, *, active: bool) -> None:  # noqa: A002 - it is one
        super().__init__(id)
        self.name = name
        """A person's user name, a service account's name."""
        self.external_id = external_id
        self.about = about
        """What conditions see, as a JSON array in the order of `held.ATTRIBUTES`: few questions need it."""
        self.active = active
        self.groups: tuple[Given, ...] = ()
        self.is_person = id.startswith("per_")
        """Roles that everybody has are held by people."""
        self._changes = -1

    def settle(self, at: int, *, changes: int, everyone: int) -> None:
        """Have the roles be those of a `moment`; anything may be other than it was when there were fewer `changes`."""
        if self._changes == changes and self._since <= at < self._until:
            return
        self._since = _NEVER
        self.add_up(at)
        for group in self.groups:
            group.add_up(at)
            self.everywhere |= group.everywhere
            self.somewhere |= group.somewhere
            self._since, self._until = max(self._since, group._since), min(self._until, group._until)  # noqa: SLF001 - its own kind
        if self.is_person:
            self.everywhere |= everyone
        self._changes = changes

    def attributes(self) -> dict[str, Any]:
        """Answer what conditions see."""
        return dict(zip(ATTRIBUTES, msgspec.json.decode(self.about), strict=True))

    def given(self) -> tuple[Given, ...]:
        """Answer itself, then its groups."""
        return (self, *self.groups)


class Subjects:
    """Everybody by id and by the names that questions use."""

    def __init__(self) -> None:
        self._by_id: dict[str, Holder] = {}
        self._by_external_id: dict[str, Holder] = {}
        self._by_user_name: dict[str, Holder] = {}
        self._by_account_name: dict[str, Holder] = {}
        self._groups: dict[str, Given] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, subject: str) -> Holder | None:
        """Answer whom a question means, active or not: by id, external id, user name, account's name, in this order."""
        return (
            self._by_id.get(subject)
            or self._by_external_id.get(subject)
            or self._by_user_name.get(subject)
            or self._by_account_name.get(subject)
        )

    def put(self, holder: Holder) -> None:
        """Know this one as it is now; what it holds is put after it."""
        self.drop(holder.id)
        self._by_id[holder.id] = holder
        if holder.external_id is not None:
            self._by_external_id[holder.external_id] = holder
        if holder.name is not None:
            (self._by_user_name if holder.is_person else self._by_account_name)[holder.name] = holder

    def drop(self, holder_id: str) -> None:
        """Forget this one."""
        holder = self._by_id.pop(holder_id, None)
        if holder is None:
            return
        names = self._by_user_name if holder.is_person else self._by_account_name
        # Another may have the name by now: that one stays.
        for known, name in ((self._by_external_id, holder.external_id), (names, holder.name)):
            if name is not None and known.get(name) is holder:
                del known[name]

    def hold(self, subject: str, grants: bytes) -> None:
        """Have a person, a service account or a group hold these grants, and no others."""
        if len(grants) % RECORD.size:
            raise ValueError(f"the grants of {subject} are no whole records")
        if subject.startswith("grp_"):
            self._group(subject).put(grants)
        elif subject in self._by_id:
            self._by_id[subject].put(grants)

    def belong(self, person: str, groups: Sequence[str]) -> None:
        """Have a person be in these groups, and in no others."""
        if person in self._by_id:
            self._by_id[person].groups = tuple([self._group(group) for group in groups])

    def _group(self, group: str) -> Given:
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = Given(group)
        return found
