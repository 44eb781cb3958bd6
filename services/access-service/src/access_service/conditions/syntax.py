"""The text of a condition as cel-python reads it: a tree, held to its bounds before anything walks it."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from celpy.celparser import CELParseError, CELParser
from celpy.evaluation import celstr
from lark import Token, Tree

from access_service.conditions.values import LONGEST, CelError, in_range

ReadTree = Tree[Token]

_DEEPEST = 2_500
"""Levels of cel-python's tree, a dozen of which make one of CEL's."""
_MOST_OPEN = 200
_THROUGH = frozenset({
    "expr", "conditionalor", "conditionaland", "relation", "addition", "multiplication", "unary", "member", "primary",
    "paren_expr",
})  # fmt: skip
"""Levels that mean nothing where they hold one thing only."""
_PUNCTUATION = frozenset({"exprlist", "mapinits", "unary_not", "unary_neg"})


class Unreadable(Exception):  # noqa: N818 - what the text is
    """The text cannot be used as a condition; says why."""


def read(source: str, *, most: int) -> ReadTree:
    """Parse a condition of at most `most` nodes. Raises `Unreadable`."""
    if _brackets(source) > _MOST_OPEN:
        raise Unreadable(f"it is nested too deeply: more than {_MOST_OPEN} brackets are open at once")
    try:
        tree: ReadTree = CELParser().parse(source)
    except CELParseError as error:
        where = f" at line {error.line}, column {error.column}" if error.line and error.line > 0 else ""
        raise Unreadable(f"it is not CEL{where}") from error
    _demand_bounded(tree, most)
    return tree


def _brackets(source: str) -> int:
    """Answer how many brackets are open at once, those in texts too: parsing thousands takes 100 ms and more."""
    steps = (1 if one in "([{" else -1 for one in source if one in "([{}])")
    return max(accumulate(steps), default=0)


def _demand_bounded(tree: ReadTree, most: int) -> None:
    # Without recursion: a text may be nested deeper than Python's stack.
    open_, nodes = [(tree, 1)], 0
    while open_:
        here, depth = open_.pop()
        nodes += not (here.data in _PUNCTUATION or _means_nothing(here) or here.data.startswith(_OPERATORS))
        if depth > _DEEPEST:
            raise Unreadable("it is nested too deeply")
        if nodes > most:
            raise Unreadable(f"it has more than {most} nodes")
        open_ += [(child, depth + 1) for child in here.children if isinstance(child, Tree)]


_OPERATORS = ("relation_", "addition_", "multiplication_")
"""cel-python puts an operator around its left side."""


def _means_nothing(tree: ReadTree) -> bool:
    return tree.data in _THROUGH and len(tree.children) == 1


def core(tree: ReadTree) -> ReadTree:
    """Answer what a tree is, through the levels that mean nothing."""
    while _means_nothing(tree):
        tree = branch(tree.children[0])
    return tree


def branch(child: ReadTree | Token) -> ReadTree:
    """Answer a child that the grammar has as a tree."""
    assert isinstance(child, Tree)  # noqa: S101 - the grammar has it so
    return child


def named(tree: ReadTree, names: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Answer the fields that are selected from `names`, each as far as dots go, in the order of the text."""
    here = core(tree)
    way = _fields(here)
    if way:
        if way[0] in names:
            yield way
        return
    for child in here.children:
        if isinstance(child, Tree):
            yield from named(child, names)


def _fields(tree: ReadTree) -> tuple[str, ...]:
    """Answer `("a", "b")` of `a.b`; nothing of what does not begin with a name."""
    if tree.data == "ident":
        return (str(tree.children[0]),)
    before = _fields(core(branch(tree.children[0]))) if tree.data == "member_dot" else ()
    return (*before, str(tree.children[1])) if before else ()


def arguments(children: Sequence[ReadTree | Token]) -> list[ReadTree]:
    """Answer what stands between brackets: the parts of an `exprlist` or `mapinits`, which may be missing."""
    return [branch(one) for one in branch(children[0]).children] if children else []


def literal(token: Token) -> Any:
    """Answer a literal's value. Raises `Unreadable` for unsigned numbers and bytes, which JSON has not."""
    text = str(token)
    try:
        if token.type == "INT_LIT":
            return in_range(int(text, 16 if "x" in text else 10))
        if token.type == "FLOAT_LIT":
            return float(text)
        if token.type in ("STRING_LIT", "MLSTRING_LIT"):
            return _text(token)
    except (CelError, ValueError) as error:
        raise Unreadable(f"{text[:40]} is no value: {error}") from error
    if token.type in ("BOOL_LIT", "NULL_LIT"):
        return {"true": True, "false": False, "null": None}[text]
    raise Unreadable(f"{text[:40]} cannot be used: conditions know JSON's values only")


def _text(token: Token) -> str:
    found = str(celstr(token))
    if len(found) > LONGEST:
        raise ValueError("it is too long")
    return found
