"""The peer of the gateway: FastAPI and httpx, as most would write it. PORT, upstream's URL, JWKS file, issuer."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.background import BackgroundTask

PORT, UPSTREAM, JWKS, ISSUER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
KEYS = KeySet.import_key_set(json.loads(JWKS.read_text()))
CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": "lodge"}, exp={"essential": True}
)
bearer = HTTPBearer()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Share one client."""
    async with httpx.AsyncClient(base_url=UPSTREAM) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


def caller(credential: HTTPAuthorizationCredentials = Depends(bearer)) -> str:  # noqa: B008 - FastAPI's way
    """Verify the token."""
    try:
        claims = jwt.decode(credential.credentials, KEYS, algorithms=["RS256"]).claims
        CLAIMS.validate(claims)
    except JoseError as error:
        raise HTTPException(401, "The token does not verify.") from error
    return str(claims["sub"])


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def forward(path: str, request: Request, sub: str = Depends(caller)) -> StreamingResponse:
    """Forward."""
    client: httpx.AsyncClient = request.app.state.client
    headers = [(k, v) for k, v in request.headers.items() if k not in ("host", "authorization", "content-length")]
    sent = client.build_request(
        request.method, f"/{path}", params=request.query_params, headers=[*headers, ("x-user", sub)],
        content=await request.body(),
    )  # fmt: skip
    answer = await client.send(sent, stream=True)
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, headers=dict(answer.headers), background=BackgroundTask(answer.aclose)
    )


if __name__ == "__main__":
    uvicorn.run(app, port=PORT)
