"""The life of a version: written, submitted, approved or sent back by another, retired. Decisions only."""

from collections.abc import Collection, Mapping
from typing import Literal

from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden

State = Literal["draft", "review", "approved", "retired"]
Deed = Literal["rewrite", "submit", "approve", "send-back", "retire"]

STEPS: Mapping[Deed, Mapping[str, State]] = {
    "rewrite": {"draft": "draft"},
    "submit": {"draft": "review"},
    "approve": {"review": "approved"},
    "send-back": {"review": "draft"},
    "retire": {"draft": "retired", "review": "retired", "approved": "retired"},
}
"""From which state each deed leads to which."""


def after(state: str, deed: Deed) -> State:
    """Answer the state after `deed`. Raises `Conflict`, which says what may be done instead."""
    following = STEPS[deed].get(state)
    if following is None:
        possible = [one for one, steps in STEPS.items() if state in steps]
        instead = f"What may be done with it: {', '.join(possible)}." if possible else "Write a new version."
        raise Conflict(f"This version is {state}: {deed} is not for it. {instead}")
    return following


def hands(by: Caller) -> frozenset[str]:
    """Answer whose deed it is: the one for whom it is done, and the deputy who does it."""
    return frozenset(one for one in (by.id, by.actor) if one)


def demand_other_eyes(written_by: Collection[str], by: Caller) -> None:
    """Refuse who has written or edited it, also where another is acted for. Raises `Forbidden`."""
    if hands(by) & set(written_by):
        raise Forbidden(
            "Nobody approves what he or she has written or edited. Ask another who may approve reports, as long as"
            " that one has not edited it."
        )
