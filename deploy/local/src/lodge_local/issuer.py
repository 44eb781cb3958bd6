"""The loopback OpenID issuer of the demonstration: its process, what the gateway is told of it, and tokens by hand.

It lets anybody on this machine log in as anybody: that is what it is for, and why it runs with demonstration data only.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from lodge_local import ports, readiness
from lodge_local.demonstration.log_ins import LOG_INS
from lodge_local.failures import Failed
from lodge_local.supervisor import Process

AUDIENCE = "lodge"
"""What tokens must be for: the client that asks the issuer, and what the gateway demands."""
_LIFE = 8 * 3600
_MARK = "# Written at each start with demonstration data. For a file of your own set LODGE_GATEWAY_CONFIG."
_PATIENCE = 10


def address(port: int) -> str:
    """Answer the issuer's name, which is its address, for a LODGE_PORT."""
    return f"http://{ports.HOST}:{port + ports.ISSUER}"


def process(port: int, environment: dict[str, str], log: Path) -> Process:
    """Answer the issuer as something to supervise; its five people are given in its command line."""
    claims = [
        json.dumps({"sub": one.external_id, "name": one.name, "email": one.email, "preferred_username": one.user_name})
        for one in LOG_INS
    ]
    command = [
        sys.executable, "-P", "-m", "oidc_provider_mock", "--host", ports.HOST, "--port", str(port + ports.ISSUER),
        "--token-max-age", str(_LIFE), *(word for claim in claims for word in ("--user-claims", claim)),
    ]  # fmt: skip
    return Process(
        "issuer", command, environment | {"NO_COLOR": "1"}, log=log, complaint=lambda: _last_line(log),
        is_ready=readiness.of_server(port + ports.ISSUER, "/.well-known/openid-configuration"),
    )  # fmt: skip


def write_routes(file: Path, port: int) -> None:
    """Tell the gateway of the issuer, in the TOML file of the home; a file that a person wrote there stays."""
    if file.exists() and not file.read_text().startswith(_MARK):
        return
    file.write_text(f'{_MARK}\n\n[[issuers]]\nissuer = "{address(port)}"\naudience = "{AUDIENCE}"\n')


async def token(name: str, *, port: int) -> str:
    """Log in as one of the five by the authorization code flow; answers the ID token. Raises Failed."""
    known = {one.user_name: one for one in LOG_INS}
    if name not in known:
        raise Failed(f"there is no {name} to log in as: name one of {', '.join(known)}.")
    try:
        return await asyncio.to_thread(_walk, known[name].external_id, port)
    except (OSError, KeyError, ValueError) as error:
        raise Failed(
            f"no token could be had from {address(port)} ({error}): start the suite with `make run` and demonstration"
            " data, with the same LODGE_PORT."
        ) from error


def _walk(external_id: str, port: int) -> str:
    """Walk the flow (RFC 6749, section 4.1). The issuer sends us back to the gateway: we do not go."""
    back = f"http://{ports.HOST}:{port}/"
    asked = {"client_id": AUDIENCE, "redirect_uri": back, "response_type": "code", "scope": "openid"}
    location = _post(f"{address(port)}/oauth2/authorize?{urlencode(asked)}", {"sub": external_id}).headers["location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    told = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    with _post(f"{address(port)}/oauth2/token", told | {"client_id": AUDIENCE, "client_secret": "any"}) as answer:
        found: str = json.load(answer)["id_token"]
    return found


class _Staying(urllib.request.HTTPRedirectHandler):
    """Answers a redirect as it is."""

    def http_error_302(self, _request: Any, answer: Any, *_: Any) -> Any:
        return answer


def _post(url: str, form: dict[str, str]) -> Any:
    # No proxy of the environment: the issuer is on this machine.
    opener = urllib.request.build_opener(_Staying, urllib.request.ProxyHandler({}))
    return opener.open(url, data=urlencode(form).encode(), timeout=_PATIENCE)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
