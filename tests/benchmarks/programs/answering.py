"""The least that can answer an evaluation over HTTP: uvicorn, msgspec, and no policy at all. PORT."""

import sys
from typing import Any

import msgspec
import uvicorn


class Part(msgspec.Struct):
    """A subject, a resource."""

    type: str
    id: str
    properties: dict[str, Any] = {}


class Action(msgspec.Struct):
    """An action."""

    name: str


class Asked(msgspec.Struct):
    """A question."""

    subject: Part
    action: Action
    resource: Part


decoder, encoder = msgspec.json.Decoder(Asked), msgspec.json.Encoder()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer yes to what ends on a zero; a GET that it is there."""
    decision = True
    if scope["method"] == "POST":
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        decision = decoder.decode(body).subject.id.endswith("0")
    answer = encoder.encode({"decision": decision})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", access_log=False)
