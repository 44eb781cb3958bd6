"""Atom and RSS feeds, from bytes to entries. What is no feed is refused with a sentence; nothing else is ever raised.

Feeds are hostile input. Bytes go to feedparser wrapped in a stream, because it takes a string for an address and plain
bytes for the name of a file. Where it raises (out-of-range character references, backslashes in entities, stray end
tags) the body is tidied, then read entry by entry, so that one bad entry does not hide the others. All text comes out
plain: no tags, no control characters. Time and memory are bounded by reading in a child process, `reading.Reader`.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import feedparser  # type: ignore[import-untyped]  # feedparser ships no types

from release_service import feed_dates, labels, patterns, plain_text
from release_service.entries import LARGEST_BODY, Feed, FeedEntry, NotAFeed, digest

MOST_ENTRIES = 20_000
_LONGEST_TITLE = 500
_LONGEST_SUMMARY = 4_000
_LONGEST_GUID = 500
_LONGEST_LINK = 2_000
_HTML = "The answer is an HTML page, not a feed. Look on that page for the address of its feed."
_CUT_SHORT = "The feed ends in the middle, before its first entry. The next check may find it whole."

_START = re.compile(rb"<(?:[a-z]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_END = re.compile(rb"</(?:[a-z]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_WHOLE = re.compile(
    rb"</(?:[a-z]+:)?(?:rss|feed|rdf|channel)\s*>(?:\s|<!--(?:(?!-->).){0,500}-->)*\Z", re.IGNORECASE | re.DOTALL
)
_ROOT = re.compile(rb"<(?:rss|feed|rdf:rdf)[\s>]", re.IGNORECASE)
_TITLE = re.compile(rb"<(/?)(?:[a-z]+:)?title[\s>]", re.IGNORECASE)
_PLAIN_ELEMENT = re.compile(
    rb"<(title|link|guid|id|pubdate|published|updated|dc:date|description|summary)\b[^>]*"
    rb"(?:(?<=/)>|>(?:(?!</\1).)*</\1\s*>)",
    re.IGNORECASE | re.DOTALL,
)
_DOCTYPE = re.compile(rb"<!DOCTYPE[^\[>]*(?:\[[^\]]*\]\s*)?>", re.IGNORECASE)
_CHARACTER = re.compile(rb"&#(x[0-9a-f]+|[0-9]+);?", re.IGNORECASE)
_SURROGATES = range(0xD800, 0xE000)
_LAST_CHARACTER = 0x10FFFF
_TAIL = 2_000
_HEAD = 100_000


def read(body: bytes, *, content_type: str = "", url: str = "", pattern: str = "") -> Feed:
    """Read a feed. Raises `NotAFeed`, and nothing else whatever the bytes.

    `content_type` is the answer's header (its charset counts), `url` what relative links stand for, `pattern` the
    product's own way to find the version in a title (an RE2 pattern; the default finds the first dotted number).
    """
    if len(body) > LARGEST_BODY:
        raise NotAFeed(f"The feed is larger than {LARGEST_BODY // 1_000_000} MB. Ask the supplier for a shorter one.")
    _refuse_what_is_none(body)
    try:
        patterns.check(pattern)
    except patterns.UnusablePattern as why:  # refused at the edge; an older row may still hold one
        raise NotAFeed(why.detail) from why
    headers = {"content-type": content_type, "content-location": url}
    shortened, left_out = _shortened(body)
    parsed = _parsed(shortened, headers)
    found = [entry for entry in parsed["entries"] if isinstance(entry, dict)]
    is_cut_short = b"\0" not in body[:100] and not _WHOLE.search(body[-_TAIL:])
    if is_cut_short and found and _loses_its_last_title(body):
        found.pop()
    if not found and not parsed["version"]:
        raise NotAFeed(_what_it_is_instead(body, is_cut_short=is_cut_short))
    if not found and is_cut_short:
        raise NotAFeed(_CUT_SHORT)
    entries = _distinct([_entry(entry, pattern) for entry in found])
    title = plain_text.line(_text(parsed["feed"], "title"), _LONGEST_TITLE)
    return Feed(title, entries, _defect(parsed, left_out=left_out, is_cut_short=is_cut_short))


def _refuse_what_is_none(body: bytes) -> None:
    """Tell at once what is plainly something else: a page with a feed's words in it must not be read as one."""
    start = body[:_TAIL].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        raise NotAFeed("The answer is empty. Check the address.")
    if start.startswith((b"{", b"[")) and not _ROOT.search(start):
        raise NotAFeed("The answer is JSON, not Atom or RSS. Choose the kind of source that reads it.")
    if start.startswith((b"<!doctype html", b"<html")):
        raise NotAFeed(_HTML)


def _what_it_is_instead(body: bytes, *, is_cut_short: bool) -> str:
    start = body[:_TAIL].lower()
    if b"<html" in start:
        return _HTML
    if _ROOT.search(start):
        return _CUT_SHORT
    if b"<?xml" in start or (start.lstrip().startswith(b"<") and not is_cut_short):
        return "The answer is XML, but neither Atom nor RSS. Check the address."
    return "The answer is neither Atom nor RSS. Check the address."


def _shortened(body: bytes) -> tuple[bytes, int]:
    """Keep the first entries of a very long feed and say how many were left out."""
    ends = [match.end() for match in _END.finditer(body)]
    if len(ends) <= MOST_ENTRIES:
        return body, 0
    return body[: ends[MOST_ENTRIES - 1]] + body[ends[-1] :], len(ends) - MOST_ENTRIES


def _parsed(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    try:
        return _feedparsed(body, headers)
    except Exception:  # noqa: BLE001 - feedparser raises anything; the entries are read in another way
        tidied = _CHARACTER.sub(_a_character_that_exists, _DOCTYPE.sub(b"", body[:_HEAD]) + body[_HEAD:])
    try:
        return _feedparsed(tidied, headers)
    except Exception:  # noqa: BLE001 - as above
        return _one_by_one(tidied, headers)


def _feedparsed(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    # Not resolving addresses nor cleaning HTML inside of content: it takes most of the time, and all HTML goes anyway.
    parsed: dict[str, Any] = feedparser.parse(
        io.BytesIO(body), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
    )
    return {
        "entries": parsed["entries"],
        "feed": parsed["feed"],
        "version": dict.get(parsed, "version") or "",
        "error": dict.get(parsed, "bozo_exception"),
    }


def _a_character_that_exists(match: re.Match[bytes]) -> bytes:
    digits = match[1].lower()
    shown = digits[:12]  # a longer one is out of range in any case
    value = int(shown[1:], 16) if shown.startswith(b"x") else int(shown)
    return match[0] if value <= _LAST_CHARACTER and value not in _SURROGATES else b"&#xFFFD;"


def _one_by_one(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Read each entry as a feed of its own, at worst its plain elements; the defect says how many were lost."""
    result: dict[str, Any] = {"entries": [], "feed": {}, "version": "", "error": None}
    lost = 0
    for head, entry in _parts(body):
        parsed = _one(head, entry, headers)
        if parsed is None:
            lost += 1
            continue
        result["entries"] += parsed["entries"]
        result["feed"] = result["feed"] or parsed["feed"]
        result["version"] = result["version"] or parsed["version"]
    if lost:
        result["error"] = ValueError(f"{lost} of its entries cannot be read")
    return result


def _one(head: bytes, entry: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
    with suppress(Exception):
        return _feedparsed(head + entry, headers)
    elements = b"".join(match[0] for match in _PLAIN_ELEMENT.finditer(entry[:_HEAD]))
    with suppress(Exception):
        return _feedparsed(b"<rss><channel><item>" + elements + b"</item></channel></rss>", headers)
    return None


def _parts(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Answer each entry with what stands before the first one."""
    starts = [match.start() for match in _START.finditer(body)]
    for start, end in pairwise([*starts, len(body)]):
        yield body[: starts[0]], body[start:end]


def _loses_its_last_title(body: bytes) -> bool:
    """Say whether a body that was cut off ends within an entry's title: half a title is half a version."""
    last = max((match.start() for match in _START.finditer(body)), default=len(body))
    slashes = [match[1] for match in _TITLE.finditer(body, last)]
    return bool(slashes) and slashes[-1] == b""


def _entry(entry: dict[str, Any], pattern: str) -> FeedEntry:
    title = plain_text.line(_text(entry, "title"), _LONGEST_TITLE)
    link = _address(_text(entry, "link"))
    given = plain_text.opaque(_text(entry, "id"), _LONGEST_GUID + 1)
    guid = given if 0 < len(given) <= _LONGEST_GUID else "sha256:" + digest(given, link or "", title)
    summary = plain_text.paragraphs(_text(entry, "summary") or _content(entry), _LONGEST_SUMMARY)
    return FeedEntry(
        guid=guid,
        title=title or summary.partition("\n")[0][:_LONGEST_TITLE],
        link=link,
        version_text=labels.version_text(title, link, pattern),
        published=feed_dates.published(entry),
        summary=summary,
    )


def _text(values: dict[str, Any], name: str) -> str:
    # dict's own get: feedparser's answers a missing `updated` with a warning and another value.
    value = dict.get(values, name)
    return value if isinstance(value, str) else ""


def _content(entry: dict[str, Any]) -> str:
    contents = dict.get(entry, "content") or []
    return next((_text(content, "value") for content in contents if isinstance(content, dict)), "")


def _address(link: str) -> str | None:
    """Answer a link that a portal may show: http and https only, so that none runs a script."""
    link = plain_text.opaque(link, _LONGEST_LINK + 1)
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    is_safe = parts.scheme in ("http", "https") and bool(parts.netloc) and len(link) <= _LONGEST_LINK
    return link if is_safe else None


def _distinct(entries: Sequence[FeedEntry]) -> tuple[FeedEntry, ...]:
    """Drop true repetitions; entries that share a guid and differ are told apart by what they say."""
    seen: dict[str, FeedEntry] = {}
    for entry in entries:
        first = seen.get(entry.guid)
        if first is None:
            seen[entry.guid] = entry
        elif first != entry:
            apart = f"{entry.guid[: _LONGEST_GUID - 65]}#{entry.fingerprint}"
            seen.setdefault(apart, replace(entry, guid=apart))
    return tuple(seen.values())


def _defect(parsed: dict[str, Any], *, left_out: int, is_cut_short: bool) -> str | None:
    if left_out:
        return f"The feed lists {MOST_ENTRIES + left_out} entries; the first {MOST_ENTRIES} were read."
    if is_cut_short:
        return "The feed ends in the middle; what came was read."
    error = parsed["error"]
    if error is None or isinstance(error, feedparser.NonXMLContentType | feedparser.CharacterEncodingOverride):
        return None
    return f"The feed is malformed and was read as far as it goes: {plain_text.line(str(error), 200)}."
