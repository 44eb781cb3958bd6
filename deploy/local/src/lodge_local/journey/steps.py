"""The steps of the journey, each a call or a few of a person, a portal or a supplier."""

import asyncio
import csv
import hashlib
import io
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from lodge_local.failures import Failed
from lodge_local.journey.feed import VERSIONS
from lodge_local.journey.receiver import Receiver

BOUND = 30.0
"""Seconds within which a change of rights must have reached every decision."""
_PATIENCE = 30.0
_LOOK = 0.1

SQL = """
SELECT p.name AS programme, count(*) AS students
FROM records.enrolments e JOIN records.programmes p ON p.id = e.programme_id
GROUP BY p.name HAVING count(*) >= :least ORDER BY p.name
"""


class Person:
    """Somebody who calls Lodge with a key of his or her own."""

    def __init__(self, gateway: str, key: str) -> None:
        # No proxy of the environment: the gateway is on this machine.
        self.http = httpx.AsyncClient(
            base_url=gateway, headers={"Authorization": f"Bearer {key}"}, timeout=20, trust_env=False
        )

    async def call(self, method: str, path: str, expected: int, **body: Any) -> Any:
        """Make a call; raises Failed with what was answered where that is not what the journey expects."""
        answer = await self.http.request(method, path, json=body or None)
        if answer.status_code != expected:
            raise Failed(f"{method} {path} answered {answer.status_code} instead of {expected}: {answer.text[:600]}")
        return answer.json() if answer.content else None

    async def get(self, path: str, **params: str) -> Any:
        """Read something."""
        answer = await self.http.get(path, params=params)
        if answer.status_code != httpx.codes.OK:
            raise Failed(f"GET {path} answered {answer.status_code}: {answer.text[:600]}")
        return answer.json()

    async def post(self, path: str, expected: int = 201, **body: Any) -> Any:
        """Make or do something."""
        return await self.call("POST", path, expected, **body)


@dataclass
class Journey:
    """Who takes part, and what was made so far."""

    gateway: str
    admin: Person
    receiver: Receiver
    receiver_url: str
    feed_url: str
    tag: str = field(default_factory=lambda: secrets.token_hex(3))
    made: dict[str, Any] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)

    async def close(self) -> None:
        """Let go of every connection."""
        for one in (self.admin, *self.people):
            await one.http.aclose()

    async def keyed(self, person: str) -> Person:
        """Give a person a key, and answer the person as one who calls with it."""
        made = await self.admin.post("/access/v1/keys", owner=person, label="journey")
        one = Person(self.gateway, made["key"])
        self.people.append(one)
        return one


async def create_person(journey: Journey) -> str:
    """A person is created."""
    name = f"ada.{journey.tag}"
    journey.made["ada"] = await journey.admin.post("/access/v1/people", user_name=name, name="Ada Newcomer")
    return f"Ada Newcomer is {journey.made['ada']['id']}"


async def be_denied(journey: Journey) -> str:
    """A decision about her is deny."""
    await _make_role(journey)
    decision = await _decide(journey)
    if decision["decision"] is not False:
        raise Failed(f"the decision is {decision}, not deny")
    return f"deny: {decision['context']['reason']}"


async def _make_role(journey: Journey) -> None:
    system = await journey.admin.post("/access/v1/systems", key=f"journey-{journey.tag}", name="Journey's system")
    permission = await journey.admin.post(
        f"/access/v1/systems/{system['id']}/permissions",
        name="transcript.print", action="print", resource_type="transcript", supplier_code="TR-PRT",
    )  # fmt: skip
    journey.made["system"] = system
    journey.made["role"] = await journey.admin.post(
        "/access/v1/roles", system=system["id"], name="Transcript clerk", permissions=[permission["id"]]
    )


async def _decide(journey: Journey) -> Any:
    return await journey.admin.post(
        "/access/v1/evaluation", 200,
        subject={"type": "user", "id": journey.made["ada"]["user_name"]}, action={"name": "print"},
        resource={"type": "transcript", "id": "t-1", "properties": {"system": journey.made["system"]["key"]}},
    )  # fmt: skip


async def _until_decided(journey: Journey, *, permit: bool) -> float:
    began = time.monotonic()
    while (await _decide(journey))["decision"] is not permit:
        if time.monotonic() - began > BOUND:
            raise Failed(f"the decision did not become {'permit' if permit else 'deny'} within {BOUND:.0f} s")
        await asyncio.sleep(_LOOK)
    return time.monotonic() - began


async def be_permitted(journey: Journey) -> str:
    """A role is granted; the decision is permit within the bound."""
    journey.made["grant"] = await journey.admin.post(
        "/access/v1/grants",
        subject=journey.made["ada"]["id"], role=journey.made["role"]["id"], reason="Joined the registry.",
    )  # fmt: skip
    return f"permit after {await _until_decided(journey, permit=True):.3f} s (the bound is {BOUND:.0f} s)"


async def listen(journey: Journey) -> str:
    """The campus system asks to be told."""
    for number, (service, kind) in enumerate((("enquiry", "enquiry.answered"), ("release", "release.published"))):
        endpoint = await journey.admin.post(
            f"/{service}/v1/webhooks", url=f"{journey.receiver_url}/hooks/{number}", event_types=[kind]
        )
        journey.receiver.secrets.append(endpoint["secret"])
        journey.made[f"{service} endpoint"] = endpoint
    return "of enquiry.answered and release.published, each endpoint with a secret of its own"


async def file_enquiry(journey: Journey) -> str:
    """She files an enquiry with her own key."""
    ada = await journey.keyed(journey.made["ada"]["id"])
    journey.made["ada calls"] = ada
    journey.made["enquiry"] = await ada.post(
        "/enquiry/v1/enquiries", kind="data", title="Students by programme", purpose="Planning rooms."
    )
    return f"{journey.made['enquiry']['id']}: {journey.made['enquiry']['title']}"


async def answer_enquiry(journey: Journey) -> str:
    """A support officer answers it with a run over student records."""
    officer = await _officer(journey)
    report = await _approved_report(journey, officer)
    run = await officer.post(
        f"/enquiry/v1/reports/{report['id']}/runs", 202, enquiry=journey.made["enquiry"]["id"], parameters={"least": 1}
    )
    run = await _finished(officer, run["id"])
    text = await _downloaded(officer, run)
    rows = list(csv.DictReader(io.StringIO(text)))
    await officer.post(
        f"/enquiry/v1/enquiries/{journey.made['enquiry']['id']}/answer", 200,
        body="The file is attached to this answer.", runs=[run["id"]],
    )  # fmt: skip
    await _downloaded(journey.made["ada calls"], run)
    return f"{len(rows)} rows, {run['bytes']} bytes, SHA-256 {run['sha256'][:12]}…; she has fetched the file too"


async def _officer(journey: Journey) -> Person:
    person = await journey.admin.post(
        "/access/v1/people", user_name=f"sam.{journey.tag}", name="Sam Support", email="sam@campus.example"
    )
    roles = await journey.admin.get("/access/v1/roles", q="support-officer")
    await journey.admin.post("/access/v1/grants", subject=person["id"], role=roles["items"][0]["id"], reason="Journey.")
    return await journey.keyed(person["id"])


async def _approved_report(journey: Journey, officer: Person) -> Any:
    sources = await officer.get("/enquiry/v1/sources", q="student records")
    if not sources["items"]:
        raise Failed(
            "there is no data source of student records: the journey needs the demonstration data. Start with"
            " `make run` on an empty home (LODGE_HOME), without LODGE_DEMO=0."
        )
    source = sources["items"][0]
    report = await officer.post("/enquiry/v1/reports", name=f"Journey {journey.tag}", source=source["id"])
    journey.made["report"] = report
    path = f"/enquiry/v1/reports/{report['id']}/versions"
    parameters = [{"name": "least", "type": "integer", "minimum": 1, "default": 1}]
    classes = {"programme": "none", "students": "none"}
    await officer.post(path, sql=SQL, parameters=parameters, classes=classes)
    await officer.post(f"{path}/1/submit", 200)
    await officer.call("POST", f"{path}/1/approve", 403)  # nobody approves what he or she has written
    await journey.admin.post(f"{path}/1/approve", 200)
    return report


async def _finished(officer: Person, run_id: str) -> Any:
    began = time.monotonic()
    while True:
        run = await officer.get(f"/enquiry/v1/runs/{run_id}")
        if run["status"] == "done":
            return run
        if run["status"] not in ("queued", "running", "spooling"):
            raise Failed(f"the run {run['status']}: {run['reason']}")
        if time.monotonic() - began > _PATIENCE:
            raise Failed(
                f"the run is still {run['status']} after {_PATIENCE:.0f} s: does enquiry-service's worker run?"
            )
        await asyncio.sleep(_LOOK)


async def _downloaded(who: Person, run: Any) -> str:
    answer = await who.http.get(f"/enquiry/v1/runs/{run['id']}/file")
    if answer.status_code != httpx.codes.OK:
        raise Failed(f"the file of the run was not given: {answer.status_code} {answer.text[:300]}")
    if hashlib.sha256(answer.content).hexdigest() != run["sha256"]:
        raise Failed("the file is not the one that the run recorded: its SHA-256 differs")
    return answer.text


async def watch_supplier(journey: Journey) -> str:
    """A supplier's feed is watched; two releases appear in order."""
    me = await journey.admin.get("/access/v1/me")
    supplier = await journey.admin.post("/release/v1/suppliers", name=f"Meridian Campus Systems {journey.tag}")
    product = await journey.admin.post(
        "/release/v1/products", supplier=supplier["id"], name=f"Campus Records {journey.tag}", owner=me["id"]
    )
    journey.made["product"] = product
    source = await journey.admin.post("/release/v1/sources", product=product["id"], url=journey.feed_url)
    began = time.monotonic()
    while True:
        page = await journey.admin.get("/release/v1/releases", product=product["id"], sort="version")
        found = [(one.get("version") or one["version_text"]) for one in page["items"]]
        if len(found) == len(VERSIONS):
            break
        if time.monotonic() - began > _PATIENCE:
            state = await journey.admin.get(f"/release/v1/sources/{source['id']}")
            raise Failed(f"after {_PATIENCE:.0f} s there are {found}; the source says: {state}")
        await asyncio.sleep(_LOOK)
    if tuple(found) != VERSIONS:
        raise Failed(f"the releases are ordered {found}, not {list(VERSIONS)}")
    return " before ".join(found)


async def be_told(journey: Journey) -> str:
    """The campus system has got both events; the signatures verify."""
    wanted = (("enquiry.answered", journey.made["enquiry"]["id"]), ("release.published", journey.made["product"]["id"]))
    for kind, subject in wanted:
        try:
            await journey.receiver.until(kind, subject, patience=_PATIENCE)
        except TimeoutError:
            raise Failed(f"the receiver got no {kind} about {subject} that verifies within {_PATIENCE:.0f} s") from None
    return f"{len(journey.receiver.got)} events, every signature verified"


async def be_denied_again(journey: Journey) -> str:
    """The role is ended, and the next decision is deny."""
    await journey.admin.post(f"/access/v1/grants/{journey.made['grant']['id']}/end", 200, reason="Left the registry.")
    return f"deny after {await _until_decided(journey, permit=False):.3f} s"


STEPS: tuple[Callable[[Journey], Awaitable[str]], ...] = (
    create_person, be_denied, be_permitted, listen, file_enquiry, answer_enquiry, watch_supplier, be_told,
    be_denied_again,
)  # fmt: skip
