"""The ports of a run: all counted from LODGE_PORT, and looked at before anything starts."""

import errno
import os
import socket
import time
from collections.abc import Mapping

from lodge_local.failures import Failed

DEFAULT = 8000
POSTGRES, RECEIVER, FEED, ISSUER = 5, 10, 11, 12
"""Offsets from LODGE_PORT; the deployables' own stand in `suite`."""
_LOWEST, _HIGHEST = 1, 65535 - ISSUER
HOST = "127.0.0.1"


def first(environment: Mapping[str, str]) -> int:
    """Read LODGE_PORT, the gateway's port, from which the others are counted."""
    given = environment.get("LODGE_PORT") or str(DEFAULT)
    if not given.isdecimal() or not _LOWEST <= int(given) <= _HIGHEST:
        raise Failed(f"LODGE_PORT={given} is no port: give a number from {_LOWEST} to {_HIGHEST}.")
    return int(given)


def must_be_free(wanted: Mapping[str, int], *, patience: float = 1.0) -> None:
    """Refuse with the first port that is taken. Patience: what a run that was killed left may take a moment to go."""
    deadline = time.monotonic() + patience
    for name, port in wanted.items():
        while (reason := _refused(port)) is not None:
            if reason == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            how = "is in use" if reason == errno.EADDRINUSE else f"cannot be had ({os.strerror(reason).lower()})"
            raise Failed(
                f"Port {port}, wanted for {name}, {how}: stop what has it, or set LODGE_PORT to another number"
                f" (Lodge takes LODGE_PORT to LODGE_PORT + {POSTGRES} and + {RECEIVER} to + {ISSUER})."
            )


def free() -> int:
    """Answer a port that nobody has at this moment."""
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        port: int = tried.getsockname()[1]
        return port


def _refused(port: int) -> int | None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            return error.errno or errno.EIO
    return None
