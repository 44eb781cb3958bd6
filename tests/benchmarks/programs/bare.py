"""The peer of the suite: one FastAPI app with one SQLModel table and an engine, and nothing else. PORT."""

import sys
from collections.abc import AsyncIterator
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlmodel import Field, SQLModel, select

engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
app = FastAPI()


class Thing(SQLModel, table=True):
    """A thing."""

    id: int | None = Field(default=None, primary_key=True)
    name: str


async def opened() -> AsyncIterator[AsyncSession]:
    """Open a session."""
    async with AsyncSession(engine) as session:
        yield session


@app.get("/")
async def alive() -> dict[str, str]:
    """Say so."""
    return {"status": "alive"}


@app.get("/things")
async def things(session: Annotated[AsyncSession, Depends(opened)]) -> list[Thing]:
    """List the things; no bench asks."""
    return list((await session.execute(select(Thing))).scalars())


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False)
