"""From a supplier's label (a title, a tag) to a version of the product, by the product's own way of naming."""

import re
from dataclasses import dataclass

from release_service import patterns
from release_service.versions import Scheme, UnreadableVersion, Version, parse

_STAGE = r"(?:[ _-]?(?:alpha|beta|build|hotfix|m|milestone|patch|preview|rc|sp|u|update)[ ._-]?[0-9]{1,6})?"
_PLACE = r"(?:\.(?![x*](?!\w))[0-9a-z]{1,20})"  # 9.7.x is a line of versions, not one
_DOTTED = re.compile(
    rf"(?<![\w.])[rv]?([0-9]{{1,20}}\.[0-9][0-9a-z]{{0,19}}{_PLACE}{{0,7}}(?:[+_-][0-9a-z]{{1,20}}{_PLACE}{{0,4}}){{0,4}}{_STAGE})"
    r"(?!\w|\.[x*])",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"(?:\b(?:version|release|ver\.?|build)[ :#-]{{0,3}}v?|(?<!\w)v)([0-9]{{1,20}}{_STAGE})(?![\w/-]|\.\w)",
    re.IGNORECASE,
)
_DATE = re.compile(r"[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}")
_TAG_ADDRESS = re.compile(r"/(?:-/)?(?:releases/tag|releases|tags?)/([^/?#]{1,200})/?$")
_LEADING_V = re.compile(r"^[vV](?=[0-9])")
_BLANKS = re.compile(r"\s+")


class Unwanted(Exception):  # noqa: N818 - a noun, as all our errors are
    """A label that the product's rules leave out; `str()` is the sentence that its sighting shows."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How one product's releases are named. `prefix` goes where it is there; patterns are RE2's, empty for none."""

    scheme: Scheme = Scheme.MAVEN
    prefix: str = ""
    include: str = ""
    exclude: str = ""
    prereleases: bool = False

    def version(self, text: str, *, label: str = "") -> Version:
        """Read `text`; the patterns look at it and at `label`, the title that it was found in.

        Raises `Unwanted` for what the rules leave out and `UnreadableVersion` for what is no version.
        """
        text = text.strip()
        if self.include and not any(patterns.found(self.include, place) for place in (text, label)):
            raise Unwanted(f"“{label or text}” does not match the product's include pattern.")
        if self.exclude and any(patterns.found(self.exclude, place) for place in (text, label)):
            raise Unwanted(f"“{label or text}” matches the product's exclude pattern.")
        text = _LEADING_V.sub("", text.removeprefix(self.prefix).strip())
        if not any(character.isdecimal() for character in text):
            raise UnreadableVersion(f"{text[:40]!r} names no version: there is no number in it.")
        version = parse(self.scheme, text if self.scheme is Scheme.NATURAL else _BLANKS.sub("-", text))
        if version.is_prerelease and not self.prereleases:
            raise Unwanted(f"{version} is a pre-release, which the product's rules leave out.")
        return version


def version_text(title: str, link: str | None = None, pattern: str = "") -> str | None:
    """Find the version that a feed's entry speaks of; None where it speaks of none.

    A product's own `pattern` decides alone. Without one: the first dotted number of the title that is not a date
    ("Campus Records 9.7.1 released (14.4.2026)"), else a number that is called one ("Release 42"), else the tag that
    the link points to, as code hosts' feeds do it.
    """
    if pattern:
        return patterns.captured(pattern, title)
    title = title[: patterns.LONGEST_LABEL]
    dotted = _DOTTED.findall(title)
    numbers: list[str] = [text for text in dotted if not _DATE.fullmatch(text)] or _NAMED.findall(title)
    if numbers:
        return numbers[0]
    tag = _TAG_ADDRESS.search(link or "")
    return tag[1] if tag is not None and any(character.isdecimal() for character in tag[1]) else None
