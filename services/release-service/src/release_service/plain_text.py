"""Plain text out of what suppliers write in HTML: no tags, no control characters, nothing that a portal could run.

Patterns here consume what they have looked at, so that the time is linear in the text.
"""

import html
import re

_LONGEST_SOURCE = 50_000
_HIDDEN = re.compile(r"<(script|style|template)\b[^<>]*>?(?:(?!</\1\b).)*(?:</\1[^<>]*>?)?", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--(?:(?!-->).)*(?:-->)?", re.DOTALL)
_BREAK = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|table|blockquote|pre|section)\b[^<>]*>?", re.IGNORECASE)
_TAG = re.compile(r"<(?=[A-Za-z/!?])[^<>]*>?")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\u00a0\u2028\u2029]+")
_LINES = re.compile(r" ?\n[ \n]*")
_ESCAPES_IN_ESCAPES = 3


def line(source: str, longest: int) -> str:
    """Answer the text of a title: one line of at most `longest` characters."""
    return " ".join(_plain(source).split())[:longest].strip()


def paragraphs(source: str, longest: int) -> str:
    """Answer the text of a longer piece, a line a paragraph."""
    return _LINES.sub("\n", _BLANKS.sub(" ", _plain(source))).strip()[:longest].strip()


def opaque(source: str, longest: int) -> str:
    """Answer an address or an identifier as it is, without blanks around it and control characters in it."""
    return _NOT_TEXT.sub("", source[:_LONGEST_SOURCE]).strip()[:longest]


def _plain(source: str) -> str:
    text = source[:_LONGEST_SOURCE].replace("\r", "\n")
    # Escaped markup is unescaped and taken away as well: some portal will show what we hand out as HTML.
    for _ in range(_ESCAPES_IN_ESCAPES):
        stripped = _TAG.sub("", _BREAK.sub("\n", _HIDDEN.sub("", _COMMENT.sub("", text))))
        unescaped = html.unescape(stripped)
        if unescaped == text:
            break
        text = unescaped
    return _NOT_TEXT.sub("", _TAG.sub("", text))
