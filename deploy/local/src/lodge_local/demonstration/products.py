"""What the four suppliers deliver and how they number it. Data only; all names made up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from release_service.versions import Scheme


@dataclass(frozen=True, slots=True)
class ProductSpec:
    """A product; `major` comes `every` so many days and is numbered by `label(its day, its number from 0)`.

    `patch(label, n)` is the n-th patch of a major one. `owner` is the unit whose head answers for it.
    """

    supplier: str
    name: str
    website: str
    owner: str
    scheme: Scheme
    every: int
    label: Callable[[date, int], str]
    patch: Callable[[str, int], str]
    candidate: Callable[[str], str] | None
    subjects: tuple[str, ...]
    """What its releases are about."""
    title_pattern: str = ""


def _spring_or_autumn(day: date, _number: int) -> str:
    return f"{'Spring' if day.month <= 6 else 'Autumn'} {day.year}"  # noqa: PLR2004 - June


PRODUCTS = (
    ProductSpec(
        "Meridian Campus Systems", "Campus Records", "https://meridian.example", "Student Records", Scheme.MAVEN, 182,
        lambda _day, number: f"9.{4 + number}.0", lambda label, n: f"{label.removesuffix('.0')}.{n}",
        lambda label: f"{label}-RC1",
        ("the student data return", "engagement monitoring", "fee liability", "module selection", "award calculation",
         "the loans company's attendance file", "offer letters", "sponsor reporting"),
    ),
    ProductSpec(
        "Northfell Business Software", "Ledgerline", "https://northfell.example", "Finance", Scheme.CALENDAR, 91,
        lambda day, _number: f"{day.year}.{day.month:02}", lambda label, n: f"{label}.{n}", None,
        ("the tax year", "purchase approval", "expense claims", "research costing", "bank files", "budget transfers"),
    ),
    ProductSpec(
        "Quillgate Library Technologies", "Stackwise", "https://quillgate.example", "Library", Scheme.SEMVER, 61,
        lambda _day, number: f"{5 + number // 6}.{number % 6}.0", lambda label, n: f"{label.removesuffix('.0')}.{n}",
        lambda label: f"{label}-beta.1",
        ("resource sharing", "reading lists", "patron import", "analytics", "electronic holdings", "self-service"),
    ),
    ProductSpec(
        "Tessaline Scheduling", "TermGrid", "https://tessaline.example", "Timetabling", Scheme.NATURAL, 182,
        _spring_or_autumn, lambda label, n: f"{label} R{n + 1}", None,
        ("room search", "the solver", "examination clashes", "personal timetables", "calendar feeds"),
        title_pattern="((?:Spring|Autumn) [0-9]{4}(?: R[0-9]+)?)",
    ),
)  # fmt: skip
