"""From the Authorization header to the caller's cache entry: an API key, or a token of a known issuer."""

import hashlib
import re
from collections.abc import Callable

from gateway.access import KeyUnknown
from gateway.callers import Callers, Entry
from gateway.issuers import Issuers
from lodge_kit.clock import Clock
from lodge_kit.problems import NotAuthenticated

_BEARER = re.compile(rb"Bearer +([!-~]{1,16384})", re.IGNORECASE)
_KEY = re.compile(rb"lodge_[A-Za-z0-9-]+_[A-Za-z0-9_-]{16,250}")


class Authentication:
    """Finds the caller of each request."""

    def __init__(self, callers: Callers, issuers: Issuers, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._callers, self._issuers, self._clock, self._monotonic = callers, issuers, clock, monotonic

    async def caller(self, authorization: bytes | None) -> Entry:
        """Answer the caller.

        Raises `NotAuthenticated`, `PersonUnknown`, `CallerInactive`; `UpstreamAway`, `IssuerAway` when nobody can say.
        """
        if authorization is None:
            raise NotAuthenticated(
                "This needs a credential: send Authorization: Bearer with an API key or a token of your institution."
            )
        digest = hashlib.sha256(authorization).digest()
        return self._callers.fresh(digest) or await self._admit(authorization, digest)

    async def _admit(self, authorization: bytes, digest: bytes) -> Entry:
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise NotAuthenticated("The Authorization header is not Bearer with one API key or token.")
        credential = match.group(1)
        if credential.startswith(b"lodge_"):
            if not _KEY.fullmatch(credential):
                raise KeyUnknown("This is not the form of an API key: lodge_<id>_<secret>.", error="invalid_token")
            return await self._callers.resolve(digest, {"key_sha256": hashlib.sha256(credential).hexdigest()})
        identity = await self._issuers.identify(credential.decode("ascii"))
        ends = self._monotonic() + identity.expires - self._clock().timestamp()
        question = {
            "issuer": identity.issuer, "external_id": identity.external_id, "client_id": identity.client_id,
        }  # fmt: skip
        return await self._callers.resolve(digest, question, ends)

    def anonymous(self) -> Entry:
        """Answer the caller of public routes."""
        return self._callers.anonymous()
