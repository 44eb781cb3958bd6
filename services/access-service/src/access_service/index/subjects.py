"""Who holds which roles: people, service accounts and groups, each with its grants packed into a few bytes."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

RECORD = struct.Struct(">iiiqq26s")
"""A grant: the numbers of role, org unit and environment, from when to when, and its id without the prefix."""
_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(at: datetime) -> int:
    """Answer an instant as PostgreSQL sends it: microseconds since 2000."""
    return (at - _ZERO) // _MICROSECOND


class Holder:
    """A person or a service account, active or not; one who is deleted is known by the id only."""

    __slots__ = ("about", "active", "external_id", "grants", "groups", "id", "name")

    def __init__(self, id: str, name: str | None, external_id: str | None, about: str, *, active: bool) -> None:  # noqa: A002 - it is one
        self.id = id
        self.name = name
        """A person's user name, a service account's name."""
        self.external_id = external_id
        self.about = about
        """What conditions see, as JSON: few questions need it, and 100,000 dicts would be heavy."""
        self.active = active
        self.grants = b""
        self.groups: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        """Say whether it is one: roles that everybody has are held by people."""
        return self.id.startswith("per_")

    def attributes(self) -> dict[str, Any]:
        """Answer what conditions see."""
        found: dict[str, Any] = msgspec.json.decode(self.about)
        return found


class Subjects:
    """Everybody by id and by the names that questions use."""

    def __init__(self) -> None:
        self._by_id: dict[str, Holder] = {}
        self._by_external_id: dict[str, Holder] = {}
        self._by_user_name: dict[str, Holder] = {}
        self._by_account_name: dict[str, Holder] = {}
        self.of_groups: dict[str, bytes] = {}
        """The grants of groups."""

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
            self.of_groups[subject] = grants
        elif subject in self._by_id:
            self._by_id[subject].grants = grants

    def belong(self, person: str, groups: tuple[str, ...]) -> None:
        """Have a person be in these groups, and in no others."""
        if person in self._by_id:
            self._by_id[person].groups = groups

    def held(self, holder: Holder) -> Iterator[tuple[str | None, bytes]]:
        """Yield the grants of one's own, then those of each group, with the group."""
        if holder.grants:
            yield None, holder.grants
        for group in holder.groups:
            grants = self.of_groups.get(group)
            if grants:
                yield group, grants
