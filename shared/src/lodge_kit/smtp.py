"""A letter handed to the institution's mail server, over TLS unless the server is this machine.

Where the server is elsewhere, `smtp://` demands STARTTLS (RFC 3207) with a certificate that names it: credentials and
people's addresses do not travel readable because a server, or somebody between, said that it has no TLS.
"""

import asyncio
import smtplib
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

_SECONDS = 20
_PERMANENT = range(500, 600)


class NotSentError(Exception):
    """The letter did not go. `permanent`: the server refused this letter itself, so that another try is of no use.

    The text names what happened, without an address and without the server's own words: both may be people's data.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


async def send(server: SecretStr, letter: EmailMessage) -> None:
    """Hand `letter` to the `server` (`smtp://user:password@host:587`, `smtps://…`); raises NotSentError."""
    url = urlsplit(server.get_secret_value())
    at_once = url.scheme == "smtps"
    try:
        await aiosmtplib.send(
            letter,
            hostname=url.hostname,
            port=url.port,
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            use_tls=at_once,
            start_tls=not at_once and not _is_here(url.hostname or ""),
            timeout=_SECONDS,
        )
    except (
        aiosmtplib.SMTPException,
        smtplib.SMTPException,
        OSError,
        TimeoutError,
        asyncio.IncompleteReadError,
        ValueError,  # an address that no header can hold
    ) as error:
        raise NotSentError(type(error).__name__, permanent=_is_permanent(error)) from None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_permanent(error: Exception) -> bool:
    """Tell a refusal of this letter (RFC 5321, 4.2.1: 5yz) from one of us: a login or a sender can be put right."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(one.code in _PERMANENT for one in error.recipients)
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return error.code in _PERMANENT
    # An address that no header can hold. A certificate that nobody vouches for is a ValueError too.
    return isinstance(error, ValueError) and not isinstance(error, OSError)
