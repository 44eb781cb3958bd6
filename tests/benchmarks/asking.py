"""What the benches of decisions ask, and access-service asked it as a portal asks."""

import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from access_service import rights
from gateway.signing import Signer
from lodge_kit import ids
from lodge_kit.identity import Permission
from lodge_local import ports
from tests.benchmarks.load import Fired, fire, request
from tests.benchmarks.policy import ACTIONS, PEOPLE, ROLES, SYSTEMS, TYPES, Policy, identifier

CONNECTIONS = 16
ITEMS = 100
"""Questions of a batch."""


@dataclass(frozen=True)
class Question:
    """May this person do this, to a thing of this type, in this system?"""

    person: int
    system: int
    action: str
    kind: str


def question(policy: Policy, chance: random.Random) -> Question:
    """Ask about what the person may do, or about anything: about as often."""
    person = chance.randrange(PEOPLE)
    if chance.random() < 0.5:
        role = chance.choice(policy.held[person])[0]
        return Question(person, role // ROLES, *chance.choice(policy.contained(role)))
    return Question(person, chance.randrange(SYSTEMS), chance.choice(ACTIONS), chance.choice(TYPES))


def batch(policy: Policy, chance: random.Random) -> Sequence[Question]:
    """Ask what one person may do with a hundred things, as a portal does before it shows a list of them."""
    first = question(policy, chance)
    more = [
        Question(first.person, first.system, chance.choice(ACTIONS), chance.choice(TYPES)) for _ in range(ITEMS - 1)
    ]
    return [first, *more]


class Asking:
    """Asks access-service, each time with a token made anew: a minute is the longest life of one."""

    def __init__(self, port: int, signer: Signer) -> None:
        self._port = port
        self._signer = signer
        self._who = ids.new("svc")

    async def all(self, questions: Sequence[Question]) -> Fired:
        """Ask single questions."""
        headers = self.headers()
        return await self._fire([self._post("evaluation", self.parts(one), headers) for one in questions])

    async def batches(self, batches: Sequence[Sequence[Question]]) -> Fired:
        """Ask several questions at once."""
        headers = self.headers()
        return await self._fire(
            [
                self._post(
                    "evaluations", self.parts(several[0]) | {"evaluations": [_about(one) for one in several]}, headers
                )
                for several in batches
            ]
        )

    async def searches(self, kind: str, questions: Sequence[Question]) -> Fired:
        """Search for subjects or resources, one search after the other."""
        headers = self.headers()
        wanted = [self.parts(one) | {"page": {"limit": 50}} for one in questions]
        return await self._fire([self._post(f"search/{kind}", one, headers) for one in wanted], connections=1)

    async def people(self, count: int) -> Fired:
        """Read the first page of people, one after the other."""
        asked = request("GET", "/access/v1/people?limit=50", headers=self.headers())
        return await self._fire([asked] * count, connections=1)

    def evaluation(self, question: Question) -> bytes:
        """Write a single question down."""
        return self._post("evaluation", self.parts(question), self.headers())

    def url(self, path: str) -> str:
        """Answer where something is."""
        return f"http://{ports.HOST}:{self._port}/access/v1/{path}"

    def headers(self, held: Iterable[Permission] = (rights.EVALUATE, rights.PEOPLE_READ)) -> dict[str, str]:
        """Answer what a request has that says who asks, and what that one may."""
        permissions = {right.name: "*" for right in held}
        token = self._signer.sign(self._who, "access", time.time() + 50, name="A portal", permissions=permissions)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def parts(self, question: Question) -> dict[str, Any]:
        """Write a question down as AuthZEN has it."""
        return {"subject": {"type": "user", "id": identifier("per", question.person)}, **_about(question)}

    def _post(self, path: str, body: Any, headers: dict[str, str]) -> bytes:
        return request("POST", f"/access/v1/{path}", headers=headers, body=json.dumps(body).encode())

    async def _fire(self, requests: Sequence[bytes], *, connections: int = CONNECTIONS) -> Fired:
        return await fire(self._port, requests, connections=connections)


def _about(question: Question) -> dict[str, Any]:
    properties = {"system": f"system-{question.system}"}
    return {
        "action": {"name": question.action},
        "resource": {"type": question.kind, "id": f"{question.kind}-1", "properties": properties},
    }
