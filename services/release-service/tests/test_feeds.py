"""Feeds as suppliers write them, and as an enemy would."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service import feeds
from release_service.entries import LARGEST_BODY, Feed, NotAFeed

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-GB">
  <title type="html">Campus &lt;b&gt;Records&lt;/b&gt;</title>
  <link rel="self" href="https://supplier.example/feed.atom"/>
  <updated>2026-04-15T09:30:00+01:00</updated>
  <entry>
    <id>tag:supplier.example,2026:9.7.1</id>
    <title>Campus Records 9.7.1 released</title>
    <link rel="alternate" href="/releases/9.7.1"/>
    <published>2026-04-14T10:00:00+01:00</published>
    <content type="html"><![CDATA[<p>Statutory: <b>HESA</b> &amp; HESES.</p>
      <script>steal()</script><ul><li>one</li></ul>]]></content>
    <media:thumbnail url="https://supplier.example/t.png"/>
  </entry>
  <entry>
    <id>tag:supplier.example,2026:9.7.0</id>
    <title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Campus <i>Records</i> 9.7.0</div></title>
    <link href="https://supplier.example/releases/9.7.0"/>
    <updated>2026-03-01T00:00:00Z</updated>
    <summary>First of the line.</summary>
  </entry>
</feed>"""


def rss(*items: str) -> bytes:
    return f'<rss version="2.0"><channel><title>News</title>{"".join(items)}</channel></rss>'.encode()


def titled(title: str, more: str = "") -> str:
    return f"<item><title>{title}</title>{more}</item>"


def titles(feed: Feed) -> list[str]:
    return [entry.title for entry in feed.entries]


def test_atom_is_read_with_namespaces_html_and_zones() -> None:
    feed = feeds.read(ATOM.encode(), content_type="application/atom+xml", url="https://supplier.example/feed.atom")
    assert (feed.title, feed.defect) == ("Campus Records", None)
    latest, first = feed.entries
    assert latest.guid == "tag:supplier.example,2026:9.7.1"
    assert latest.link == "https://supplier.example/releases/9.7.1"
    assert latest.version_text == "9.7.1"
    assert latest.published == datetime(2026, 4, 14, 9, tzinfo=UTC)
    assert latest.summary == "Statutory: HESA & HESES.\none"
    assert (first.title, first.version_text) == ("Campus Records 9.7.0", "9.7.0")
    assert first.published == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<pubDate>Tue, 14 Apr 2026 10:00:00 GMT</pubDate>", datetime(2026, 4, 14, 10, tzinfo=UTC)),
        ("<pubDate>Tue, 14 Apr 2026 10:00:00 +0200</pubDate>", datetime(2026, 4, 14, 8, tzinfo=UTC)),
        ("<pubDate>Tue, 14 Apr 2026 10:00:00 BST</pubDate>", datetime(2026, 4, 14, 9, tzinfo=UTC)),
        ("<pubDate>14 Apr 26 10:00 EST</pubDate>", datetime(2026, 4, 14, 15, tzinfo=UTC)),
        ("<pubDate>2026-04-14T10:00:00.123-05:00</pubDate>", datetime(2026, 4, 14, 15, tzinfo=UTC)),
        ("<pubDate>2026-04-14</pubDate>", datetime(2026, 4, 14, tzinfo=UTC)),
        (
            "<dc:date xmlns:dc='http://purl.org/dc/elements/1.1/'>2026-04-14T10:00Z</dc:date>",
            datetime(2026, 4, 14, 10, tzinfo=UTC),
        ),
        ("<pubDate>soon</pubDate>", None),
        ("<pubDate>Tue, 14 Apr 9999999 10:00:00 GMT</pubDate>", None),
        ("", None),
    ],
)
def test_dates_come_in_several_forms(written: str, expected: datetime | None) -> None:
    [entry] = feeds.read(rss(titled("Records 9.7.1", written))).entries
    assert entry.published is None or entry.published.replace(microsecond=0) == expected
    assert (entry.published is None) is (expected is None)


def test_rss_1_and_rss_2_are_feeds_too() -> None:
    rdf = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
        b'<channel rdf:about="x"><title>News</title></channel>'
        b'<item rdf:about="y"><title>Records 1.2</title></item></rdf:RDF>'
    )
    assert titles(feeds.read(rdf)) == ["Records 1.2"]
    assert titles(feeds.read(rss(titled("Records 1.2")))) == ["Records 1.2"]
    assert feeds.read(rss()).entries == ()


def test_entries_without_ids_get_one_that_stays() -> None:
    body = rss(
        titled("Records 1.2", "<link>https://supplier.example/</link>"),
        titled("Records 1.3", "<link>https://supplier.example/</link>"),
    )
    first, again = feeds.read(body), feeds.read(body)
    assert [entry.guid for entry in first.entries] == [entry.guid for entry in again.entries]
    assert len({entry.guid for entry in first.entries}) == 2


def test_entries_that_share_an_id_are_told_apart_and_repetitions_dropped() -> None:
    feed = feeds.read(rss(*(titled(title, "<guid>same</guid>") for title in ("A 1.0", "A 1.1", "A 1.0"))))
    assert titles(feed) == ["A 1.0", "A 1.1"]
    assert len({entry.guid for entry in feed.entries}) == 2


def test_nothing_that_a_portal_could_run_comes_through() -> None:
    feed = feeds.read(
        rss(
            titled(
                "&lt;script&gt;alert(1)&lt;/script&gt;Records "
                "&amp;lt;img src=x onerror=alert(2)&amp;gt; 9.7\u202e\u0007 &lt;b",
                "<link>javascript:alert(3)</link>"
                "<description>&lt;svg onload=alert(4)&gt; A &amp;amp;lt;i&amp;amp;gt; B &lt; C</description>",
            )
        )
    )
    [entry] = feed.entries
    assert entry.title == "Records 9.7"
    assert entry.link is None
    assert entry.summary == "A B < C"


def test_an_address_keeps_its_ampersands() -> None:
    [entry] = feeds.read(rss(titled("A 1.0", "<link>https://s.example/?a=1&amp;copy=2</link>"))).entries
    assert entry.link == "https://s.example/?a=1&copy=2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "JSON"),
        (b"<!DOCTYPE html><html><title>Records 9.7.1</title></html>", "HTML page"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "HTML page"),
        (b'<?xml version="1.0"?><rss version="2.0"><channel><ti', "ends in the middle"),
        (b'<?xml version="1.0"?><opml><body/></opml>', "neither Atom nor RSS"),
        (b"Service unavailable", "neither Atom nor RSS"),
        (b"/etc/passwd", "neither Atom nor RSS"),
        (b" " * (LARGEST_BODY + 1), "larger than"),
    ],
)
def test_what_is_no_feed_is_refused_with_a_sentence(body: bytes, words: str) -> None:
    with pytest.raises(NotAFeed, match=words):
        feeds.read(body)


def test_bytes_are_never_taken_for_a_file_name(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss(titled("Secret 1.0")))
    with pytest.raises(NotAFeed):
        feeds.read(str(file).encode())


def test_a_feed_cut_short_gives_what_came_but_no_half_title() -> None:
    body = rss(titled("Records 9.7.2"), titled("Records 9.7.1"))
    feed = feeds.read(body[: body.rindex(b".1</title>")])
    assert titles(feed) == ["Records 9.7.2"]
    assert feed.defect is not None
    assert "ends in the middle" in feed.defect
    assert titles(feeds.read(body[: body.rindex(b"</item>")])) == ["Records 9.7.2", "Records 9.7.1"]


@pytest.mark.parametrize(
    "spoilt",
    [
        titled("Records 9.7.1 &#1114112; &bogus;"),
        titled("Records 9.7.1 &#xFFFFFFFFFFFFFFFFFF; &bogus;"),
        titled("Records 9.7.1 &#xD800; &bogus;"),
        titled("Records 9.7.1", "</width>"),
    ],
)
def test_one_entry_that_feedparser_fails_on_hides_no_other(spoilt: str) -> None:
    feed = feeds.read(rss(titled("Records 9.7.2"), spoilt, titled("Records 9.7.0")))
    assert [entry.version_text for entry in feed.entries] == ["9.7.2", "9.7.1", "9.7.0"]


def test_a_backslash_in_an_entity_is_got_over() -> None:
    body = b'<!DOCTYPE rss [\n<!ENTITY path "C:\\data">\n]>\n' + rss(titled("Records 9.7.1"))
    assert titles(feeds.read(body)) == ["Records 9.7.1"]


def test_an_entity_bomb_and_a_file_entity_yield_nothing() -> None:
    nested = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE rss [<!ENTITY e0 "lol">{nested}<!ENTITY f SYSTEM "file:///etc/passwd">]>'.encode()
    [entry] = feeds.read(bomb + rss(titled("&e11;&f; 9.7.1"))).entries
    assert len(entry.title) < 1_000
    assert "root:" not in entry.title


def test_a_very_long_feed_is_read_from_its_beginning_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_ENTRIES", 3)
    feed = feeds.read(rss(*(titled(f"Records 9.{n}") for n in range(5, 0, -1))))
    assert titles(feed) == ["Records 9.5", "Records 9.4", "Records 9.3"]
    assert feed.defect == "The feed lists 5 entries; the first 3 were read."


def test_the_charset_of_the_header_counts() -> None:
    body = rss(titled("Bibliothèque 1.0")).decode().encode("iso-8859-1")
    assert titles(feeds.read(body, content_type="text/xml; charset=iso-8859-1")) == ["Bibliothèque 1.0"]


def test_a_pattern_of_the_product_finds_the_version() -> None:
    [entry] = feeds.read(rss(titled("Finance 12 (Records 9.7.1)")), pattern=r"Finance (\d+)").entries
    assert entry.version_text == "12"
    with pytest.raises(NotAFeed, match="pattern"):
        feeds.read(rss(titled("Finance 12")), pattern="(")


def test_a_changed_entry_has_another_fingerprint() -> None:
    [before] = feeds.read(rss(titled("A 1.0", "<guid>g</guid>"))).entries
    [after] = feeds.read(rss(titled("A 1.0", "<guid>g</guid><description>Now with notes</description>"))).entries
    assert before.guid == after.guid
    assert before.fingerprint != after.fingerprint


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_a_feed_or_not_a_feed(body: bytes) -> None:
    try:
        feeds.read(body)
    except NotAFeed as why:
        assert str(why).endswith(".")  # noqa: PT017 - the error is one of two right outcomes


_PIECES = st.sampled_from(
    [
        "<rss>",
        "<channel>",
        "<item>",
        "</item>",
        "<entry>",
        "<title>",
        "</title>",
        "<guid>",
        "&",
        "&#x110000;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE x [",
        "]>",
        "<!ENTITY a '\\1'>",
        "&a;",
        "<feed xmlns='http://www.w3.org/2005/Atom'>",
        "</width>",
        "<content type='xhtml'>",
        "<div>",
        "9.7.1",
        "<link href='//['/>",
        "<pubDate>Mon, 99 Jan 0000</pubDate>",
        "\x00",
        "é",
        "<?xml",
    ]
)


@given(st.lists(_PIECES, max_size=30))
def test_feeds_put_together_at_random_are_a_feed_or_not_a_feed(pieces: list[str]) -> None:
    try:
        feed = feeds.read("".join(pieces).encode())
    except NotAFeed:
        return
    assert all("<script" not in entry.title and "\0" not in entry.title for entry in feed.entries)
