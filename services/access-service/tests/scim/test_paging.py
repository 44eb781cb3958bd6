"""Pages by index and by cursor, sorted or not, while people come and go."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

NAMES = [f"u{number}" for number in range(7)]


async def names(directory: Any, **parameters: Any) -> list[str]:
    return [one["userName"] for one in (await directory.get("/Users", **parameters))["Resources"]]


async def walk(directory: Any, **parameters: Any) -> list[list[str]]:
    """Follow the cursors from the first page to the last."""
    pages, cursor = [], ""
    while cursor is not None:
        page = await directory.get("/Users", cursor=cursor, **parameters)
        pages.append([one["userName"] for one in page["Resources"]])
        cursor = page.get("nextCursor")
    return pages


async def test_pages_by_index_are_counted_from_one(directory: Any) -> None:
    await directory.users(*NAMES)
    page = await directory.get("/Users", startIndex=3, count=2, sortBy="userName")
    assert [one["userName"] for one in page["Resources"]] == ["u2", "u3"]
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (7, 3, 2)
    for start in (-5, 0, 1):
        assert await names(directory, startIndex=start, count=1, sortBy="userName") == ["u0"]
    assert await names(directory, startIndex=99) == []
    nothing = await directory.get("/Users", count=0)
    assert (nothing["totalResults"], nothing["Resources"]) == (7, [])
    assert (await directory.get("/Users", count=-1))["itemsPerPage"] == 0


async def test_the_newest_come_first_and_no_page_is_endless(directory: Any) -> None:
    await directory.users(*NAMES)
    assert await names(directory) == NAMES[::-1]
    refused = await directory.client.get("/scim/v2/Users", params={"count": "many"})
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    far = await directory.client.get("/scim/v2/Users", params={"startIndex": 10**30})
    assert far.status_code == 400


async def test_what_has_no_value_is_last_and_first_where_the_order_is_turned(directory: Any) -> None:
    await directory.user("a", title="x")
    await directory.user("b")
    await directory.user("c", title="Z")
    await directory.user("d", emails=[{"value": "z@b.c"}, {"value": "a@b.c", "primary": True}], title="y")
    assert await names(directory, sortBy="title") == ["a", "d", "c", "b"]
    assert await names(directory, sortBy="title", sortOrder="descending") == ["b", "c", "d", "a"]
    assert (await names(directory, sortBy="emails"))[0] == "d"
    assert (await names(directory, sortBy="urn:ietf:params:scim:schemas:core:2.0:User:meta.created"))[0] == "a"


@pytest.mark.parametrize("order", ["name", "emails.nonsense", "nonsense", "emails.type.x", "members", "meta.version"])
async def test_what_cannot_be_sorted_by_is_refused(directory: Any, order: str) -> None:
    refused = await directory.client.get("/scim/v2/Users", params={"sortBy": order})
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidPath"), refused.text


async def test_cursors_give_each_once_although_people_come_and_go(directory: Any) -> None:
    ids = dict(zip(NAMES, await directory.users(*NAMES), strict=True))
    assert await walk(directory, count=3, sortBy="userName") == [["u0", "u1", "u2"], ["u3", "u4", "u5"], ["u6"]]
    assert await walk(directory, count=3) == [["u6", "u5", "u4"], ["u3", "u2", "u1"], ["u0"]]
    first = await directory.get("/Users", cursor="", count=3, sortBy="userName")
    await directory.call("DELETE", f"/Users/{ids['u2']}")
    await directory.user("u00")
    second = await directory.get("/Users", cursor=first["nextCursor"], count=3, sortBy="userName")
    assert [one["userName"] for one in second["Resources"]] == ["u3", "u4", "u5"]
    back = await directory.get("/Users", cursor=second["previousCursor"], count=3, sortBy="userName")
    assert [one["userName"] for one in back["Resources"]] == ["u0", "u00", "u1"]
    assert "previousCursor" not in back
    assert "startIndex" not in back


async def test_those_without_a_value_are_paged_by_cursor_too(directory: Any) -> None:
    for number, title in enumerate(["b", None, "a", None, "b", None]):
        await directory.user(f"u{number}", **({"title": title} if title else {}))
    for order in ("ascending", "descending"):
        pages = await walk(directory, count=1, sortBy="title", sortOrder=order)
        assert sorted(name for page in pages for name in page) == [f"u{number}" for number in range(6)]
    assert (await walk(directory, count=1, sortBy="title"))[0] == ["u2"]


async def test_a_cursor_serves_only_the_search_that_it_was_made_for(directory: Any) -> None:
    await directory.users(*NAMES)
    cursor = (await directory.get("/Users", cursor="", count=3))["nextCursor"]
    for other, kind in (
        ({"filter": "userName pr", "count": 3}, "invalidCursor"),
        ({"count": 2}, "invalidCount"),
        ({"count": 3, "startIndex": 1}, "invalidValue"),
    ):
        refused = await directory.client.get("/scim/v2/Users", params={"cursor": cursor, **other})
        assert (refused.status_code, refused.json()["scimType"]) == (400, kind)
    forged = await directory.client.get("/scim/v2/Users", params={"cursor": cursor[:-9] + cursor[::-1][:9], "count": 3})
    assert (forged.status_code, forged.json()["scimType"]) == (400, "invalidCursor")
    for nonsense in ("nonsense", "%%%"):
        refused = await directory.client.get("/scim/v2/Users", params={"cursor": nonsense, "count": 3})
        assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidCursor")


async def test_only_what_is_asked_for_is_shown(directory: Any) -> None:
    await directory.user("a", title="t", name={"givenName": "G", "familyName": "F"})
    for asked, shown in (
        ({"attributes": "userName,name.givenName"}, {"userName": "a", "name": {"givenName": "G"}}),
        ({"attributes": "urn:ietf:params:scim:schemas:core:2.0:User:title"}, {"title": "t"}),
        ({"attributes": "nonsense"}, {}),
    ):
        (one,) = (await directory.get("/Users", **asked))["Resources"]
        assert {name: value for name, value in one.items() if name not in ("schemas", "id")} == shown
    (one,) = (await directory.get("/Users", excludedAttributes="name.givenName,title,id"))["Resources"]
    assert ("title" in one, one["name"], "id" in one) == (False, {"familyName": "F"}, True)
    both = await directory.client.get("/scim/v2/Users", params={"attributes": "title", "excludedAttributes": "name"})
    assert both.status_code == 400
