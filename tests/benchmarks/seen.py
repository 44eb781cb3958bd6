"""end-seen: how soon a grant that one process ends is denied by another, which decides from its own memory."""

import asyncio
import time

import aiohttp
import psycopg

from access_service import rights
from tests.benchmarks.asking import Asking, Question
from tests.benchmarks.figures import Figure
from tests.benchmarks.policy import Policy, identifier

ENDED = 30
_PATIENCE = 10.0


async def end_seen(first: Asking, other: Asking, url: str, policy: Policy) -> Figure:
    """Measure from the request that ends a grant on: the longest of some, and of hearing of it by a bare LISTEN."""
    denied: list[float] = []
    heard: list[float] = []
    role = 0
    question = Question(0, 0, *policy.contained(role)[0])
    async with (
        aiohttp.ClientSession() as http,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as listening,
    ):
        await listening.execute("LISTEN lodge_index")

        async def made(path: str, **body: object) -> str:
            async with http.post(first.url(path), json=body, headers=first.headers(rights.ALL)) as answer:
                answer.raise_for_status()
                return str((await answer.json())["id"])

        async def decided(subject: str, *, until: bool) -> float:
            asked = other.parts(question) | {"subject": {"type": "user", "id": subject}}
            async with asyncio.timeout(_PATIENCE):
                while True:
                    async with http.post(other.url("evaluation"), json=asked, headers=other.headers()) as answer:
                        answer.raise_for_status()
                        if (await answer.json())["decision"] is until:
                            return time.perf_counter()

        async def told(subject: str) -> float:
            async with asyncio.timeout(_PATIENCE):
                async for notice in listening.notifies():
                    if notice.payload == subject:
                        return time.perf_counter()
            raise TimeoutError

        for number in range(ENDED):
            person = await made("people", user_name=f"leaver-{number}", name=f"Leaver {number}")
            grant = await made("grants", subject=person, role=identifier("rol", role))
            await decided(person, until=True)
            async for _ in listening.notifies(timeout=0):
                pass  # what was told of the giving
            began = time.perf_counter()
            end = asyncio.create_task(made(f"grants/{grant}/end", reason="The bench is over."))
            hearing = asyncio.create_task(told(person))
            denied.append(await decided(person, until=False) - began)
            heard.append(await hearing - began)
            await end
    unit = f"seconds from the request to the last of {ENDED} denials by another process"
    return Figure("end-seen", max(denied), unit, "psycopg hearing the same by LISTEN", max(heard))
