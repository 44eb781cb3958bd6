"""Passwords of data sources: one file each in one folder, known by name, never shown.

A symbolic link is followed where it ends inside the folder, as Kubernetes mounts secrets; out of it, never.
"""

import os
import re
import stat
from pathlib import Path

from pydantic import SecretStr

from lodge_kit.problems import Invalid

_NAME = re.compile(r"[a-z0-9-]{1,63}")
_LONGEST = 4_096
_POINTER = "/secret_name"


def read(folder: Path, name: str) -> SecretStr:
    """Answer the secret of that name, without the line's end; raises Invalid, which never tells of its content."""
    if not _NAME.fullmatch(name):
        raise Invalid.at(_POINTER, "A secret's name has lower-case letters, digits and hyphens only.")
    content = _content(folder, name)
    if content is None:
        raise Invalid.at(
            _POINTER,
            f"There is no secret {name} that can be read; ask an operator to put it into LODGE_ENQUIRY_SOURCE_SECRETS.",
            code="secret-missing",
        )
    text = content.decode(errors="replace").removesuffix("\n").removesuffix("\r")
    if len(content) > _LONGEST or not text or "\x00" in text or "\ufffd" in text or "\n" in text:
        raise Invalid.at(_POINTER, f"The secret {name} is not one line of text.", code="secret-unreadable")
    return SecretStr(text)


def _content(folder: Path, name: str) -> bytes | None:
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root):
            return None
        # Not blocking: a pipe in the folder must not hold the request.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError):
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - the descriptor is what was checked
        return file.read(_LONGEST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
