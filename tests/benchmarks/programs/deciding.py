"""The peer of access-service's decisions: pycasbin's FastEnforcer behind the same route. PORT, model, policy."""

import sys
from typing import Any

import casbin  # type: ignore[import-untyped]  # it ships no types
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

PORT, MODEL, POLICY = int(sys.argv[1]), sys.argv[2], sys.argv[3]
enforcer = casbin.FastEnforcer(MODEL, POLICY, cache_key_order=[1, 2])  # policies by object and action
app = FastAPI()


class Part(BaseModel):
    """A subject, a resource."""

    type: str
    id: str
    properties: dict[str, Any] = {}


class Action(BaseModel):
    """An action."""

    name: str
    properties: dict[str, Any] = {}


class Asked(BaseModel):
    """A question, as AuthZEN has it."""

    subject: Part
    action: Action
    resource: Part
    context: dict[str, Any] = {}


class Evaluated(BaseModel):
    """Its answer."""

    decision: bool


@app.get("/")
async def alive() -> dict[str, str]:
    """Say that the policy is loaded."""
    return {"status": "alive"}


@app.post("/access/v1/evaluation")
async def evaluate(asked: Asked) -> Evaluated:
    """Decide."""
    thing = f"{asked.resource.properties['system']}/{asked.resource.type}"
    return Evaluated(decision=enforcer.enforce(asked.subject.id, thing, asked.action.name))


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False)
