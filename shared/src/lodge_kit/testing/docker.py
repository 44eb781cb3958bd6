"""Whether there is a Docker engine to test with."""

import os
import socket
from urllib.parse import urlsplit

FAILS = "LODGE_TEST_DOCKER_FAILS"
"""Set by a run that could not start a container in time, to the reason: an engine that cannot is none."""
_SOCKET = "/var/run/docker.sock"


def answers(patience: float = 1.0) -> bool:
    """Say whether a Docker engine answers its `/_ping`, quickly."""
    address = urlsplit(os.environ.get("DOCKER_HOST", f"unix://{_SOCKET}"))
    family, where = (
        (socket.AF_UNIX, address.path)
        if address.scheme == "unix"
        else (socket.AF_INET, (address.hostname or "127.0.0.1", address.port or 2375))
    )
    try:
        with socket.socket(family) as engine:
            engine.settimeout(patience)
            engine.connect(where)
            if os.environ.get("DOCKER_TLS_VERIFY"):  # somebody listens; the client will see who
                return True
            engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in engine.recv(64)
    except OSError:
        return False
