"""A line for each step that takes longer than a second, so that nobody wonders whether it hangs."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds of silence."""


def tell(line: str) -> None:
    """Print a line at once."""
    try:
        print(line, flush=True)
    except BrokenPipeError:  # whoever read us has left; what we run goes on
        sys.stdout = None  # print then does nothing


@contextmanager
def step(sentence: str) -> Iterator[None]:
    """Tell `sentence` if what is inside is not done within the patience. Inside, the event loop must be free."""
    telling = asyncio.get_running_loop().call_later(PATIENCE, tell, f"lodge: {sentence} …")
    try:
        yield
    finally:
        telling.cancel()
