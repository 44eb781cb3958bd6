"""Who may ask what is decided about others: access.evaluate everywhere, or in the system that is asked about.

In a system means: its owner; or one who was given a role of that system, everywhere in it, that contains a permission
with the action `access.evaluate` on the resource type `lodge`. A key that is held to scopes needs that one among
them. About oneself anybody may ask.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text

from access_service import rights
from access_service.decisions import LODGE, Reader, known_as
from access_service.held import HELD
from access_service.judging import Question
from lodge_kit.identity import Caller
from lodge_kit.problems import Forbidden

_IN_SYSTEMS = text(
    HELD  # noqa: S608 - constants of these modules; every value is bound
    + """
    , askable (id) AS (
        SELECT s.id FROM system s WHERE s.owner = :who
        UNION SELECT p.system_id FROM held h
        JOIN role r ON r.id = h.role_id AND r.state = 'active' JOIN role_permission rp ON rp.role_id = r.id
        JOIN permission p ON p.id = rp.permission_id AND p.action = :right AND p.resource_type = :lodge
            AND p.state = 'active' AND p.condition IS NULL
        WHERE h.org_unit IS NULL AND h.environment IS NULL
    )
    SELECT s.id, s.key FROM askable a JOIN system s ON s.id = a.id
    WHERE NOT EXISTS (SELECT 1 FROM api_key k WHERE k.id = :client AND NOT :right = ANY (k.scopes))
"""
)
_MEANT = text("""
    SELECT DISTINCT p.system_id FROM permission p
    WHERE p.resource_type = :resource_type AND (CAST(:action AS text) IS NULL OR p.action = :action)
        AND p.state = 'active'
""")


class Asker:
    """A caller who asks for decisions, and the systems in which that is allowed: looked up once, where it matters."""

    def __init__(self, by: Caller, reader: Reader, *, at: datetime) -> None:
        self.by = by
        self._reader = reader
        self._at = at
        self._systems: dict[str, str] | None = None

    async def demand(self, question: Question, *, about_all: bool = False, every_action: bool = False) -> None:
        """Refuse a question that this one may not ask.

        `about_all`: it is about whoever may, so never about oneself alone; `every_action`: about no single action.
        """
        if self.by.scope(rights.EVALUATE) == "*" or (not about_all and await self._is_oneself(question)):
            return
        systems = await self._askable()
        if question.system is not None:
            allowed = question.system in systems or question.system in systems.values()
        else:
            action = None if every_action else question.action
            asked = {"resource_type": question.resource_type, "action": action}
            meant = set((await self._reader.execute(_MEANT, asked)).scalars())
            allowed = bool(systems) and meant <= systems.keys()
        if not allowed:
            raise Forbidden(
                f"This needs the permission {rights.EVALUATE.name} for the whole institution, or in the system that is"
                " asked about: name that one in resource.properties.system. About yourself you may always ask."
            )

    async def may_in(self, systems: Collection[str]) -> bool:
        """Say whether one may ask about others in all of these systems, and in one at least."""
        if self.by.scope(rights.EVALUATE) == "*":
            return True
        return bool(systems) and set(systems) <= (await self._askable()).keys()

    async def _is_oneself(self, question: Question) -> bool:
        if question.subject == self.by.id:
            return True
        found = await known_as(self._reader, question)
        return found is not None and found.id == self.by.id

    async def _askable(self) -> dict[str, str]:
        """Answer the systems by id, each with its key."""
        if self._systems is None:
            asked = {
                "who": self.by.id, "at": self._at, "client": self.by.client_id, "right": rights.EVALUATE.name,
                "lodge": LODGE,
            }  # fmt: skip
            self._systems = {row.id: row.key for row in await self._reader.execute(_IN_SYSTEMS, asked)}
        return self._systems
