"""What stands behind a gateway in a bench: answers every GET with 1 KB, as cheaply as uvicorn can."""

import sys
from typing import Any

import uvicorn

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"1024")],
}
_BODY = {"type": "http.response.body", "body": b'{"x":"' + b"x" * 1016 + b'"}'}


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answer."""
    if scope["type"] == "http":
        await send(_HEAD)
        await send(_BODY)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", lifespan="off", access_log=False)
