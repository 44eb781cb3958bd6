"""What every adapter must do, whichever product it reads; another product's is added to `place` in conftest.py."""

import asyncio
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enquiry_service.export.messages import Outcome, Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.export.spool import Spool
from enquiry_service.export.watch import Watch
from enquiry_service.parameters import DEFINITIONS, bind, written
from enquiry_service.sources import Ending, Limits, Refused, SourceError

pytestmark = pytest.mark.anyio

SLOW = "SELECT count(*) FROM many AS a, many AS b, many AS c, many AS d WHERE a.n * b.n + c.n * d.n = 1"
"""1.6 thousand million combinations: longer than any limit below, and within that of a plan."""
LIMITS = Limits(seconds=20)


def run(
    place: Any, path: Path, text: str, *parameters: dict[str, Any], limits: Limits = LIMITS, **values: Any
) -> Ending:
    with Spool(path, most=limits.bytes) as spool:
        ending: Ending = place.adapter.run(
            place.target, place.checked(text, *parameters), values, limits=limits, sink=spool,
            watch=Watch(limits.seconds, lambda _: None),
        )  # fmt: skip
        spool.keep()
    return ending


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_a_role_that_may_only_read_passes(place: Any) -> None:
    before = place.fingerprint()
    assert [one for one in place.adapter.check(place.target) if one.blocking] == []
    assert place.fingerprint() == before


def test_a_cell_reads_the_same_whichever_product_it_comes_from(place: Any, result: Path) -> None:
    ending = run(place, result, "SELECT id, title, fee, starts FROM module ORDER BY id")
    assert not ending.truncated
    assert result.read_bytes() == (
        b"id,title,fee,starts\n"
        b"1,Algebra,12.50,2026-01-31\n"
        + '2,"Bäume, ""alt""",{}0.50,0099-12-31\n'.format("'-" if place.target.adapter == "sqlite" else "-").encode()
        + b"3,'=cmd|'/c calc'!A0,,\n"
        b'4,"",0.00,2028-02-29\n'
        b"5,,99999.99,9999-12-31\n"
        b'6,"line\nbreak\r\n",1.00,2026-01-01\n' + "7,日本語 😀,7.00,2026-01-01\n".encode()
    )
    run(place, result, "SELECT begins FROM module WHERE id = 1")
    written = "2026-03-29 00:30:00.250000" if place.target.adapter == "sqlite" else "2026-03-29T00:30:00.25"
    assert rows(result) == [["begins"], [written]]  # SQLite has no instants, but what stands there


def test_what_is_computed_reads_the_same(place: Any, result: Path) -> None:
    run(place, result, "SELECT count(*) AS n, avg(n) AS mean, min(n) AS least FROM many")
    heading, (count, mean, least) = rows(result)
    assert heading == ["n", "mean", "least"]
    assert (count, float(mean), least) == ("200", 100.5, "1")


def test_columns_are_named_and_traced_without_a_row_being_read(place: Any) -> None:
    found = place.adapter.columns(place.target, place.checked("SELECT title, id AS number, id+1 AS next FROM module"))
    assert [one.name for one in found] == ["title", "number", "next"]
    if place.target.adapter != "sqlite":
        schema = place.target.schemas[0]
        assert [one.origin for one in found] == [f"{schema}.module.title", f"{schema}.module.id", None]
    place.adapter.columns(place.target, place.checked(SLOW))


def test_a_column_without_a_name_is_called_as_its_author_wrote_it(place: Any) -> None:
    (found,) = place.adapter.columns(place.target, place.checked("SELECT max(n)+1 FROM many"))
    assert found.name in ("max(n)+1", "?column?")


@pytest.mark.parametrize(("limit", "truncated"), [(199, True), (200, False), (201, False), (1, True)])
def test_a_cut_shows(place: Any, result: Path, limit: int, truncated: bool) -> None:  # noqa: FBT001 - what is expected
    ending = run(place, result, "SELECT n FROM many ORDER BY n", limits=Limits(rows=limit, seconds=20))
    assert ending.truncated is truncated
    assert len(rows(result)) == min(limit, 200) + 1


def test_values_are_only_ever_values(place: Any, result: Path) -> None:
    text = {"name": "wanted", "type": "text", "required": False}
    whole, day = {"name": "least", "type": "integer"}, {"name": "since", "type": "date"}
    told = "SELECT :wanted AS wanted FROM module WHERE id >= :least AND starts >= :since AND id = 1"
    for wanted in ("plain", "it's", 'a"b', "\\' OR 1=1 -- ", "日本", "%s {} ? :x $1 @lodge_sql", "a\nb", ""):
        run(place, result, told, text, whole, day, wanted=wanted, least="1", since="2026-01-01")
        assert rows(result) == [["wanted"], [wanted]], wanted
    run(place, result, told, text, whole, day, wanted=None, least="1", since="2026-01-01")
    assert result.read_text() == 'wanted\n""\n' or result.read_text() == "wanted\n\n"
    run(place, result, told, text, whole, day, wanted="x", least="2", since="2026-01-01")
    assert rows(result) == [["wanted"]]


_AMONG = {"postgresql": "{} = ANY ({})", "sqlite": "{} IN (SELECT value FROM json_each({}))"}
_AMONG_TEXTS = _AMONG | {"mysql": "JSON_CONTAINS({1}, JSON_QUOTE({0}))"}
_AMONG_NUMBERS = _AMONG | {"mysql": "JSON_CONTAINS({1}, CONVERT({0}, CHAR))"}


def test_a_list_is_one_value_whatever_stands_in_it(place: Any, result: Path) -> None:
    titles, wanted = {"name": "titles", "type": "list"}, {"name": "wanted", "type": "list", "items": "integer"}
    title = _AMONG_TEXTS[place.target.adapter].format("title", ":titles")
    number = _AMONG_NUMBERS[place.target.adapter].format("id", ":wanted")
    text = f"SELECT id FROM module WHERE {title} AND {number} ORDER BY id"  # noqa: S608 - the values are bound
    given = {"titles": ('Bäume, "alt"', "日本語 😀", "{NULL}", "') OR 1=1 --", "")}
    for numbers, found in (((2, 7, 5), ["2", "7"]), ((1,), []), ((4,), ["4"])):
        bound = bind(DEFINITIONS.validate_python([titles, wanted]), given_as_json(given | {"wanted": numbers}))
        run(
            place,
            result,
            text,
            titles,
            wanted,
            limits=LIMITS,
            **{name: written(value) for name, value in bound.items()},
        )
        assert [one for (one,) in rows(result)[1:]] == found
    run(place, result, text, titles, wanted, titles="[]", wanted="[2]")
    assert rows(result) == [["id"]], "an empty list holds nothing"


def given_as_json(values: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    return {name: list(value) for name, value in values.items()}


@pytest.mark.parametrize(
    "text", ["SELECT nothing FROM module", "SELECT 1 FROM nowhere", "SELECT sum(max(n)) FROM many"]
)
def test_what_the_source_cannot_do_is_told_without_running(place: Any, text: str) -> None:
    with pytest.raises(Refused) as refused:
        place.adapter.columns(place.target, place.checked(text))
    assert str(refused.value).endswith((".", ")."))


def test_a_source_that_is_not_there_is_told_and_no_secret_with_it(place: Any) -> None:
    elsewhere = {"path": "/nowhere/at-all"} if place.target.adapter == "sqlite" else {"port": 1}
    (finding,) = place.adapter.check(place.target.model_copy(update=elsewhere))
    assert (finding.code, finding.blocking) == ("unreachable", True)
    with pytest.raises(SourceError) as error:
        place.adapter.columns(place.target.model_copy(update=elsewhere), place.checked("SELECT 1"))
    assert "correct-horse" not in str(error.value)
    assert error.value.__context__ is None or "correct-horse" not in repr(error.value.__context__)


Running = Callable[..., Any]


@pytest.fixture
def slow(place: Any, result: Path) -> Running:
    """Answer what runs the slow statement in a process of its own."""

    async def ran(*, seconds: float, cancel: asyncio.Event | None = None) -> Outcome:
        stop = cancel or asyncio.Event()

        async def hear(progress: Progress) -> None:
            if cancel is not None and progress.phase == "running":
                stop.set()

        spec = Spec(
            target=place.target, checked=place.checked(SLOW), values={}, limits=Limits(seconds=seconds),
            path=str(result),
        )  # fmt: skip
        return await run_in_child(spec, on_progress=hear, cancel=stop)

    return ran


async def test_a_run_ends_at_its_limit_and_is_gone_from_the_source(slow: Running, result: Path) -> None:
    outcome = await slow(seconds=2)
    assert (outcome.status, outcome.backend_gone) == ("failed", True), outcome
    assert "2 s" in str(outcome.reason)
    assert list(result.parent.iterdir()) == []


async def test_a_cancelled_run_is_gone_from_the_source(slow: Running, result: Path) -> None:
    outcome = await slow(seconds=60, cancel=asyncio.Event())
    assert (outcome.status, outcome.backend_gone) == ("cancelled", True), outcome
    assert list(result.parent.iterdir()) == []
