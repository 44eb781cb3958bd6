"""The kinds of enquiries that there are from the start; an institution changes them as it likes. Data only."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from enquiry_service.clock.profiles import ProfileName


class Starter(NamedTuple):
    """A kind to begin with."""

    key: str
    name: str
    description: str
    clock: ProfileName
    targets: dict[str, int] | None
    fields: dict[str, Any]


def _fields(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _targets(low: int, normal: int, high: int, urgent: int) -> dict[str, int]:
    return {"low": low, "normal": normal, "high": high, "urgent": urgent}


_TEXT = {"type": "string", "maxLength": 500}
_LONG = {"type": "string", "maxLength": 5_000}
_DAY = {"type": "string", "format": "date"}
_SYSTEM = _TEXT | {"title": "System"}
_OF_APPLICANT = _fields(reference=_TEXT | {"title": "The applicant's own reference"})

STARTERS = (
    Starter(
        "data", "Data enquiry", "A question that is answered once, from the data.", "internal", _targets(15, 10, 5, 2),
        _fields(
            needed_by=_DAY | {"title": "Needed by"},
            form={"enum": ["csv", "xlsx", "table", "text"], "title": "In which form"},
            names_people={"type": "boolean", "title": "Are people named in it?"},
        ),
    ),
    Starter(
        "report", "Report", "A question that will be asked again and again.", "internal", _targets(30, 20, 10, 5),
        _fields(
            often={"enum": ["weekly", "monthly", "termly", "yearly", "on-demand"], "title": "How often"},
            readers=_TEXT | {"title": "Who reads it"},
        ),
    ),
    Starter(
        "fault", "Fault", "Something does not work, or a record is wrong.", "internal", _targets(10, 5, 2, 1),
        _fields(system=_SYSTEM, steps=_LONG | {"title": "What you did, and what happened"}),
    ),
    Starter(
        "access", "Access question", "Who may do what in a system.", "internal", _targets(5, 3, 2, 1),
        _fields(system=_SYSTEM, person=_TEXT | {"title": "For whom"}, until=_DAY | {"title": "Until"}),
    ),
    Starter(
        "return", "Statutory return", "A question about a return.", "internal", _targets(20, 10, 5, 2),
        _fields(name=_TEXT | {"title": "Which return"}, year=_TEXT | {"title": "For which year"}),
    ),
    Starter("foi", "Freedom of information request", "Under FOIA 2000.", "foia", None, _OF_APPLICANT),
    Starter(
        "foi-scotland", "Freedom of information request (Scotland)", "Under FOISA 2002.", "foisa", None, _OF_APPLICANT
    ),
    Starter("eir", "Environmental information request", "Under EIR 2004.", "eir", None, _OF_APPLICANT),
    Starter(
        "eir-scotland", "Environmental information request (Scotland)", "Under EI(S)R 2004.", "eir-scotland", None,
        _OF_APPLICANT,
    ),
    Starter(
        "sar", "Subject access request", "What is held about the person who asks.", "sar", None,
        _fields(
            relation={
                "enum": ["applicant", "student", "former-student", "staff", "former-staff", "other"],
                "title": "What the person is or was here",
            },
            period=_TEXT | {"title": "Which time it is about"},
        ),
    ),
)  # fmt: skip
OF_KEY: Mapping[str, Starter] = {one.key: one for one in STARTERS}
