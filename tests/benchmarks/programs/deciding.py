"""The peer of access-service's decisions: pycasbin's FastEnforcer behind one FastAPI route. PORT, model, policy."""

import sys

import casbin  # type: ignore[import-untyped]  # it ships no types
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

PORT, MODEL, POLICY = int(sys.argv[1]), sys.argv[2], sys.argv[3]
enforcer = casbin.FastEnforcer(MODEL, POLICY, cache_key_order=[1, 2])  # policies by object and action
app = FastAPI()


class Asked(BaseModel):
    """A question."""

    subject: str
    object: str
    action: str


class Evaluated(BaseModel):
    """Its answer."""

    decision: bool


@app.get("/")
async def alive() -> dict[str, str]:
    """Say that the policy is loaded."""
    return {"status": "alive"}


@app.post("/evaluation")
async def evaluate(asked: Asked) -> Evaluated:
    """Decide."""
    return Evaluated(decision=enforcer.enforce(asked.subject, asked.object, asked.action))


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False)
