"""The test issuer: a gateway's signing half with a key made for the run, so that no test needs a switch."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from lodge_kit.identity import ALGORITHM, ISSUER, TOKEN_TYPE, StaticKeys


class Issuer:
    """Signs internal tokens as the gateway would; its keys are handed to `create_app`."""

    def __init__(self) -> None:
        self._key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
        self.keys = StaticKeys(KeySet([self._key]))

    def token(
        self,
        subject: str,
        *,
        audience: str,
        permissions: Mapping[str, Literal["*"] | Iterable[str]] | None = None,
        name: str = "A Tester",
        life: int = 30,
        **claims: Any,
    ) -> str:
        """Sign a token; `claims` overrides any claim, `typ`, `alg` and `kid` excepted."""
        now = int(time.time())
        granted = {key: value if value == "*" else list(value) for key, value in (permissions or {}).items()}
        body = {
            "iss": ISSUER, "aud": audience, "sub": subject, "name": name, "permissions": granted,
            "iat": now, "exp": now + life,
        }  # fmt: skip
        header = {"typ": TOKEN_TYPE, "alg": ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, body | claims, self._key, algorithms=[ALGORITHM])

    def headers(self, subject: str, *, audience: str, **claims: Any) -> dict[str, str]:
        """Answer the `Authorization` header for `subject`."""
        return {"Authorization": f"Bearer {self.token(subject, audience=audience, **claims)}"}
