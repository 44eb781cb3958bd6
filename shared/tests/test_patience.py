"""Answers that take a while: quick ones are as any other, slow ones say something on the way."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from starlette.responses import StreamingResponse

from lodge_kit.patience import patiently
from lodge_kit.testing.waiting import until

pytestmark = pytest.mark.anyio


async def said(after: asyncio.Event) -> bytes:
    await after.wait()
    return b'{"done":true}'


def chunks(answer: object) -> AsyncGenerator[bytes]:
    assert isinstance(answer, StreamingResponse)
    return cast(AsyncGenerator[bytes], answer.body_iterator)


async def test_a_quick_answer_is_as_any_other() -> None:
    ready = asyncio.Event()
    ready.set()
    answer = await patiently(said(ready))
    assert (answer.body, answer.headers["content-type"]) == (b'{"done":true}', "application/json")


async def test_what_fails_at_once_is_an_error_as_any_other() -> None:
    async def failing() -> bytes:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError, match="away"):
        await patiently(failing())


async def test_a_slow_answer_says_something_on_the_way_and_is_json_all_the_same() -> None:
    ready = asyncio.Event()
    answer = await patiently(said(ready), silence=0.01)
    body = chunks(answer)
    first = [await anext(body), await anext(body)]
    assert first == [b"\n", b"\n"]
    ready.set()
    rest = [chunk async for chunk in body]
    assert json.loads(b"".join([*first, *rest])) == {"done": True}


async def test_what_fails_later_breaks_off() -> None:
    async def failing() -> bytes:
        await asyncio.sleep(0.05)
        raise RuntimeError("away")

    body = chunks(await patiently(failing(), silence=0.01))
    with pytest.raises(RuntimeError, match="away"):
        [chunk async for chunk in body]


async def test_nothing_goes_on_for_a_caller_who_left() -> None:
    left = asyncio.Event()

    async def endless() -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return b""

    body = chunks(await patiently(endless(), silence=0.01))
    assert await anext(body) == b"\n"
    await body.aclose()
    await until(left.is_set)
