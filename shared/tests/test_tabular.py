"""Lists as CSV: the columns follow the response model, the cells survive a reader, and nothing runs as a formula."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, SecretStr, computed_field

from lodge_kit.tabular import cell, columns, guarded, row, stream

pytestmark = pytest.mark.anyio


class Reference(BaseModel):
    id: str
    name: str


class Status(StrEnum):
    OPEN = "open"


class Colour(str, Enum):  # noqa: UP042 - the older shape, which prints otherwise
    RED = "red"


class Window(BaseModel):
    starts: datetime
    owner: Reference | None


class Enquiry(BaseModel):
    id: str
    title: str
    requester: Reference
    approver: Annotated[Reference | None, Field(description="Who approved it.")] = None
    window: Window | None = None
    status: Status = Status.OPEN
    cost: Decimal | None = None
    hours: float = 0
    urgent: bool = False
    due: date | None = None
    labels: list[str] = []
    counts: list[int] = []
    messages: list[Reference] = []
    extra: dict[str, int] = {}
    hidden: str = Field("no", exclude=True)
    etag: str = Field("1", serialization_alias="version")

    @computed_field
    def open(self) -> bool:
        return self.status is Status.OPEN


ANN = Reference(id="per_1", name="Ann")


def cells(item: BaseModel) -> dict[str, str]:
    return dict(zip(columns(type(item)), row(item, type(item)), strict=True))


async def written(items: Iterable[BaseModel], model: type[BaseModel]) -> bytes:
    async def each() -> AsyncIterator[BaseModel]:
        for item in items:
            yield item

    return b"".join([chunk async for chunk in stream(each(), model)])


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline=""), strict=True))


def test_columns_follow_the_response_model() -> None:
    assert columns(Enquiry) == (
        "id", "title", "requester_id", "requester_name", "approver_id", "approver_name", "window_starts",
        "window_owner_id", "window_owner_name", "status", "cost", "hours", "urgent", "due", "labels", "counts",
        "messages", "extra", "version", "open",
    )  # fmt: skip


def test_each_kind_of_value_has_one_form() -> None:
    found = cells(
        Enquiry(
            id="enq_1",
            title="Who?",
            requester=ANN,
            window=Window(starts=datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=1))), owner=None),
            cost=Decimal("-3.50"),
            hours=-2.5,
            urgent=True,
            due=date(2026, 3, 1),
            labels=["a", "b, c"],
            counts=[-1, 2],
            messages=[ANN],
            extra={"x": 1},
        )
    )
    assert found == {
        "id": "enq_1", "title": "Who?", "requester_id": "per_1", "requester_name": "Ann", "approver_id": "",
        "approver_name": "", "window_starts": "2026-03-01T00:30:00Z", "window_owner_id": "", "window_owner_name": "",
        "status": "open", "cost": "-3.50", "hours": "-2.5", "urgent": "true", "due": "2026-03-01",
        "labels": "a; b, c", "counts": "'-1; 2", "messages": '[{"id":"per_1","name":"Ann"}]', "extra": '{"x":1}',
        "version": "1", "open": "true",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (False, "false"), (0, "0"), (-7, "-7"), (1e21, "1e+21"), (float("nan"), ""), (float("-inf"), ""),
        (Decimal("NaN"), ""), ("-7", "'-7"), ("", ""), (Colour.RED, "red"), ([], ""), ([None, True], "; true"),
        (["=1", "x"], "'=1; x"), ({"b", "a"}, "a; b"), (SecretStr("x"), "**********"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00Z"), (datetime(2026, 3, 1), "2026-03-01T00:00:00Z"),  # noqa: DTZ001 - taken as UTC
        (datetime(2026, 3, 1, 0, 0, 0, 5, tzinfo=UTC), "2026-03-01T00:00:00.000005Z"), (timedelta(hours=1), "PT1H"),
        ([[1, 2], [3]], "[[1,2],[3]]"),
    ],
)  # fmt: skip
def test_a_value_is_shown_as(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "\uff1d1", "\uff0b1"])
def test_a_text_that_would_run_gets_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@given(st.text())
def test_the_guard_changes_nothing_else(text: str) -> None:
    assert guarded(text).removeprefix("'") == text.removeprefix("'")
    assert guarded(guarded(text)) == guarded(text)
    assert guarded(text)[:1] not in set("=+-@\t\r\n\0") or not text


class Line(BaseModel):
    id: str
    note: str | None
    amount: int
    asker: Reference | None
    tags: list[str]


LINES = st.lists(
    st.builds(
        Line,
        id=st.text(),
        note=st.none() | st.text(alphabet='=+-@\t\r\n",; a'),
        amount=st.integers(),
        asker=st.none() | st.builds(Reference, id=st.text(), name=st.text()),
        tags=st.lists(st.text()),
    ),
    max_size=5,
)


@given(LINES)
async def test_a_reader_gets_back_the_guarded_cells(lines: list[Line]) -> None:
    text = await written(lines, Line)
    assert read(text) == [list(columns(Line)), *(row(line, Line) for line in lines)]
    for line, found in zip(lines, read(text)[1:], strict=True):
        assert found[0] in {line.id, f"'{line.id}"}
        assert int(found[2]) == line.amount


async def test_lines_end_in_crlf_and_only_what_needs_quotes_has_them() -> None:
    text = await written([Reference(id="a", name='say "x", y'), Reference(id="b", name="Zoë")], Reference)
    assert text == 'id,name\r\na,"say ""x"", y"\r\nb,Zoë\r\n'.encode()


async def test_an_empty_list_has_its_header() -> None:
    assert await written([], Reference) == b"id,name\r\n"


async def test_a_long_list_comes_in_chunks_of_about_64_kb() -> None:
    drawn = 0

    async def many() -> AsyncIterator[Reference]:
        nonlocal drawn
        for drawn in range(1, 10_001):
            yield Reference(id=f"per_{drawn:06}", name="N" * 20)

    sizes = []
    async for chunk in stream(many(), Reference):
        sizes.append(len(chunk))
        assert drawn <= len(sizes) * 2100
    assert len(sizes) == 6
    assert all(65_536 <= size < 66_000 for size in sizes[:-1])


class Node(BaseModel):
    id: str
    parent: "Node | None" = None


class Tags(RootModel[list[str]]):
    pass


class Odd(BaseModel):
    choice: Reference | Window | None = None
    tags: Tags = Tags(["a", "b"])
    level: Literal[1, 2] = 1
    anything: Any = None


def test_a_model_within_itself_ends_as_json() -> None:
    assert cells(Node(id="a", parent=Node(id="b"))) == {"id": "a", "parent": '{"id":"b","parent":null}'}
    assert cells(Node(id="a")) == {"id": "a", "parent": ""}


def test_a_choice_of_models_is_json_and_a_root_model_its_value() -> None:
    assert cells(Odd(choice=ANN, anything="=1")) == {
        "choice": '{"id":"per_1","name":"Ann"}', "tags": "a; b", "level": "1", "anything": "'=1",
    }  # fmt: skip


def test_two_columns_of_one_name_are_an_error_of_the_model() -> None:
    class Twice(BaseModel):
        owner_id: str
        owner: Reference

    with pytest.raises(TypeError, match="owner_id"):
        columns(Twice)
