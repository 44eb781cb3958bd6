"""The five people whom one can log in as. Light: it is read where nothing is loaded, too."""

from typing import NamedTuple

DOMAIN = "campus.example"


class LogIn(NamedTuple):
    """One of the five. `external_id` is the `sub` of the tokens that the loopback issuer writes for it."""

    user_name: str
    name: str
    what: str

    @property
    def external_id(self) -> str:
        """What the issuer calls this person."""
        return self.user_name

    @property
    def email(self) -> str:
        """An address that no mail reaches."""
        return f"{self.user_name}@{DOMAIN}"


REQUESTER = LogIn("requester", "Rosa Marchetti", "a lecturer who files enquiries")
MANAGER = LogIn("manager", "Marcus Adeyemi", "her head of department")
SYSTEM_OWNER = LogIn("system-owner", "Oona Lindqvist", "answers for the student records system and gives its roles")
SUPPORT_OFFICER = LogIn("support-officer", "Samir Haddad", "answers enquiries and runs reports")
AUDITOR = LogIn("auditor", "Audrey Nakamura", "reads what was granted and asked, changes nothing")

LOG_INS = (REQUESTER, MANAGER, SYSTEM_OWNER, SUPPORT_OFFICER, AUDITOR)
