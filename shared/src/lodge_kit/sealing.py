"""Secrets that we must be able to read again, such as signing secrets, kept encrypted in the database (Fernet).

The keys lie outside the database. To change them, put a new one first and leave the old ones behind it: what is
sealed from then on uses the new key, what was sealed before still opens.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

KEYS_SETTING = "LODGE_SEALING_KEYS"


class NotOpened(Exception):  # noqa: N818 - what became of it
    """No key opens the token: it was sealed with one that is gone, or it is damaged."""


class Sealer:
    """Seals and opens short texts with `keys`: Fernet keys separated by commas, newest first."""

    def __init__(self, keys: str) -> None:
        parts = [part.strip() for part in keys.split(",") if part.strip()]
        if not parts:
            raise ValueError("it holds no key: make one with Fernet.generate_key()")
        self._fernet = MultiFernet([_fernet(number, part) for number, part in enumerate(parts, 1)])

    def seal(self, text: str) -> str:
        """Answer a token, in letters that any column holds, that only these keys open."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """Answer the text that was sealed; raise NotOpened where no key opens it."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise NotOpened(
                f"No key of {KEYS_SETTING} opens this secret: put the key that it was sealed with back at the end of "
                "the list, or enter the secret again."
            ) from None


def _fernet(number: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(
            f"key {number} is not a Fernet key, 32 bytes in URL-safe base64: make one with Fernet.generate_key()"
        ) from None
