"""The check of a report's SQL before any source sees it: one reading statement, made of known words only.

This is one layer of four (role, READ ONLY, this, limits). It is an allow-list, one a dialect: kinds of clause,
functions, types and schemas that are not listed are refused by name and place, so that what a database learns next year
is refused too.
sqlglot is no validator: what passes here is then described by the source itself.
"""

import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field
from sqlglot import ErrorLevel, exp, tokenize
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from enquiry_service.checked import Checked
from enquiry_service.dialects import Dialect, clauses
from enquiry_service.dialects.postgresql import DIALECT as POSTGRESQL
from enquiry_service.dialects.sizes import LARGEST, is_small
from enquiry_service.parameters import Parameter
from lodge_kit.problems import Invalid

LONGEST, MOST_WORDS = 100_000, 20_000
"""Characters of SQL that are read at all, and words and signs in them: they bound the time that reading takes."""

_REFUSED_CLAUSES: dict[str, str] = {
    "Command": "A report reads: write one SELECT.",
    "Into": "SELECT INTO makes a table; leave INTO out.",
    "Lock": "A report takes no locks; leave FOR UPDATE or FOR SHARE out.",
    "Operator": "Write the operator plainly, without OPERATOR(…).",
    "Parameter": "Write a parameter as :name.",
    "UnicodeString": "Write the characters themselves, not U& escapes.",
    "SessionParameter": "A report reads no settings; leave @@ out.",
    "Hint": "A report gives no hints to the planner; leave /*+ … */ out.",
    "ObjectIdentifier": "Casts to regclass and its family read the catalogue; leave them out.",
    "PseudoType": "This type is not one that a report may cast to.",
}
_WRITES = ("Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "TruncateTable", "Copy", "Set", "Grant")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_SIMPLE_CALL = re.compile(r'"?([^\s"(]+)"?\s*\(')


class UnsafeSql(Invalid):
    """SQL that a report may not contain; the sentence names the word and its place."""

    code = "unsafe-sql"


class Allowance(BaseModel):
    """What one source lets reports use beside the built-in words.

    `schemas` are those that tables may be in; a name without a schema is looked up in them, in this order.
    `functions` are further functions (`f`, or `schema.f` where it is called so) and types.
    """

    model_config = ConfigDict(frozen=True)

    schemas: tuple[str, ...] = Field(min_length=1)
    functions: frozenset[str] = frozenset()


def check(
    sql: str,
    *,
    parameters: Sequence[Parameter],
    allowance: Allowance,
    dialect: Dialect = POSTGRESQL,
    pointer: str = "/sql",
) -> Checked:
    """Answer `sql` as it will run; raises UnsafeSql with the first thing that is wrong, its line and its column."""
    if len(sql) > LONGEST:
        sentence = f"The SQL has {len(sql)} characters; at most {LONGEST} are read."
        raise UnsafeSql.at(pointer, sentence, UnsafeSql.code)
    reading = _Reading(sql, allowance, dialect, pointer)
    if len(reading.tokens) > MOST_WORDS:
        sentence = f"The SQL has {len(reading.tokens)} words and signs; at most {MOST_WORDS} are read."
        raise reading.refusal(sentence, None)
    try:
        return _checked(reading, parameters)
    except (RecursionError, SqlglotError) as error:
        raise reading.refusal(_unreadable(error), None) from None


def _unreadable(error: BaseException | None) -> str:
    """Say why SQL could not be written down: the library makes of a depth another error, where it happens to stand."""
    while error is not None:
        if isinstance(error, RecursionError):
            return "The SQL is nested too deeply to be read."
        error = error.__cause__ or error.__context__
    return "The SQL cannot be written down as it was read; write it more plainly."


def _checked(reading: "_Reading", parameters: Sequence[Parameter]) -> Checked:
    tree = reading.tree()
    for node in tree.walk():
        reading.admit(node)
    casts = {slot: reading.cast(slot, kind) for one in parameters for slot, kind in one.slots.items()}
    original, used = _numbered(reading, casts)
    in_tree = sorted(node.name for node in tree.find_all(exp.Placeholder))
    if in_tree != sorted(used):
        raise reading.refusal("A parameter stands where its reading is unclear; put it in parentheses.", None)
    for name in casts.keys() - set(used):
        raise reading.refusal(f"The parameter {name} is defined and not used; write :{name} or remove it.", None)
    pieces, gaps = _pieces(tree, reading.dialect)
    reading.confirm(pieces, gaps)
    return Checked(
        pieces=pieces,
        gaps=gaps,
        casts=casts,
        mark=reading.dialect.mark,
        tables=tuple(_tables(tree, reading.dialect)),
        original=original,
        ordered=_is_ordered(tree),
    )


class _Reading:
    """One text being read: its tokens, what it may use, and where in it a refusal points."""

    def __init__(self, sql: str, allowance: Allowance, dialect: Dialect, pointer: str) -> None:
        self.sql = sql
        self.allowance = allowance
        self.dialect = dialect
        self.pointer = pointer
        if _CONTROL.search(sql):
            raise self.refusal("The SQL has control characters; remove them.", None)
        self.tokens = self._tokens()
        for token in self.tokens:
            if any(comment.startswith(self.dialect.run_comments) for comment in token.comments):
                sentence = f"{self.dialect.product} runs what is in a comment that begins with /*!; leave it out."
                raise self.refusal(sentence, token.start)
            if token.token_type is TokenType.VAR and token.text.startswith("$"):
                sentence = "Write a parameter as :name, and a name that begins with $ in quotes."
                raise self.refusal(sentence, token.start)

    def cast(self, name: str, kind: str) -> str:
        """Answer how the dialect makes a value of the parameter's type out of a text."""
        if kind not in self.dialect.casts:
            raise self.refusal(f"{self.dialect.product} takes no parameter of the type of {name}.", None)
        return self.dialect.casts[kind]

    def tree(self) -> exp.Expr:
        """Answer the one statement's tree."""
        found = [statement for statement in _parsed(self) if statement is not None]
        if not found:
            raise self.refusal("There is no SQL; write one SELECT.", None)
        if len(found) > 1:
            second = next(token for token in self.tokens if token.token_type is TokenType.SEMICOLON)
            raise self.refusal("There is more than one statement; write one SELECT.", second.start)
        (statement,) = found
        if not isinstance(statement, exp.Select | exp.SetOperation | exp.Values | exp.Subquery):
            raise self.refusal(f"A report reads: write one SELECT, not {statement.key.upper()}.", 0)
        return statement

    def admit(self, node: exp.Expr) -> None:
        """Refuse `node` unless a report may hold it."""
        if type(node) not in clauses.NODES and type(node) not in self.dialect.clauses:
            raise self.refusal(_not_known(node), node)
        if isinstance(node, exp.Func):
            self._admit_function(node)
        elif isinstance(node, exp.Table):
            self._admit_table(node)
        elif isinstance(node, exp.DataType):
            self._admit_type(node)
        elif isinstance(node, exp.DataTypeParam) and node.this.is_int and not is_small(node.this):
            raise self.refusal(f"A type may be at most {LARGEST} long.", node)
        elif isinstance(node, exp.Column):
            self._admit_column(node)
        elif isinstance(node, exp.Select) and node.args.get("operation_modifiers"):
            raise self.refusal(f"Leave {node.args['operation_modifiers'][0].name} out.", node)
        elif isinstance(node, exp.Placeholder) and not isinstance(node.this, str):
            raise self.refusal("Write a parameter as :name.", node)
        elif isinstance(node, exp.Bracket) and node.find(exp.Slice):
            raise self.refusal("Slices of arrays are not read; take the elements one by one.", node)

    def confirm(self, pieces: tuple[str, ...], gaps: tuple[str, ...]) -> None:
        """Read again what was written down: it must be understood as the same, or nothing of it is trusted."""
        text = pieces[0] + "".join(f":{name} {piece}" for name, piece in zip(gaps, pieces[1:], strict=True))
        again = _Reading(text, self.allowance, self.dialect, self.pointer)
        tree = again.tree()
        for node in tree.walk():
            again.admit(node)
        if _pieces(tree, self.dialect) != (pieces, gaps):
            raise self.refusal("The SQL is not understood the same way twice; write it more plainly.", None)

    def refusal(self, sentence: str, at: exp.Expr | int | None) -> UnsafeSql:
        """Make the problem, with line and column where `at` (a node, or an offset in characters) has a place."""
        offset = at if isinstance(at, int) or at is None else _offset(at)
        if offset is not None:
            line = self.sql.count("\n", 0, offset) + 1
            column = offset - (self.sql.rfind("\n", 0, offset) + 1) + 1
            sentence = f"{sentence} (line {line}, column {column})"
        return UnsafeSql.at(self.pointer, sentence, UnsafeSql.code)

    def _tokens(self) -> list[Token]:
        try:
            return list(tokenize(self.sql, read=self.dialect.sql))
        except SqlglotError:
            raise self.refusal("The SQL has a quote or a comment that does not end.", None) from None

    def _admit_function(self, node: exp.Func) -> None:
        if type(node) in clauses.UNCALLED or type(node) in self.dialect.uncalled:
            return
        name = _function_name(node, self.dialect)
        if name not in self.dialect.functions and name not in self.allowance.functions:
            sentence = f"The function {name} is not one that reports may use; an operator may allow it for the source."
            raise self.refusal(sentence, node)
        bound = None if name in self.allowance.functions else self.dialect.bounds.get(name)
        if bound and (said := bound(node.expressions)):
            raise self.refusal(said, node)

    def _admit_table(self, node: exp.Table) -> None:
        if not isinstance(node.this, exp.Identifier):
            return  # A function in FROM: admitted, or not, as a function.
        if node.catalog:
            raise self.refusal(f"Name the table {node.name} without its database.", node)
        schemas = self.allowance.schemas
        schema, name = _table(node, self.dialect)
        if schema is not None and schema not in schemas:
            raise self.refusal(f"The schema {schema} is not one that this source allows: {', '.join(schemas)}.", node)
        if self.dialect.catalogue.match(name) and (schema is None or self.dialect.catalogue_has_no_schema):
            product = self.dialect.product
            raise self.refusal(f"{name} would be {product}'s own catalogue; name the schema if it is yours.", node)

    def _admit_type(self, node: exp.DataType) -> None:
        if node.this in self.dialect.types:
            return
        name = node.sql(self.dialect.sql).lower()
        if name not in self.allowance.functions:
            raise self.refusal(f"The type {name} is not one that reports may use.", node)

    def _admit_column(self, node: exp.Column) -> None:
        identifier = node.this
        if node.table or not isinstance(identifier, exp.Identifier) or identifier.quoted:
            return
        if identifier.name.lower() in self.dialect.session_words:
            raise self.refusal(f"{identifier.name} tells of the connection, not of the data.", node)


def _parsed(reading: _Reading) -> list[exp.Expr | None]:
    logger = logging.getLogger("sqlglot")
    quiet = logger.disabled
    logger.disabled = True  # It logs the text of statements that it does not know.
    try:
        parser = reading.dialect.sql().parser(error_level=ErrorLevel.IMMEDIATE)
        return list(parser.parse(reading.tokens, reading.sql))
    except SqlglotError as error:
        found: list[dict[str, str | int]] = getattr(error, "errors", [])
        word = found[0].get("highlight") if found else None
        raise reading.refusal(f"The SQL cannot be read{f' near {word}' if word else ''}.", None) from None
    finally:
        logger.disabled = quiet


def _not_known(node: exp.Expr) -> str:
    kind = type(node).__name__
    if kind in _REFUSED_CLAUSES:
        return _REFUSED_CLAUSES[kind]
    if kind in _WRITES or isinstance(node, exp.DML | exp.DDL):
        return f"A report reads; leave {kind.upper()} out."
    return f"Reports may not use {node.key.upper()}."


def _function_name(node: exp.Func, dialect: Dialect) -> str:
    """Answer the name as the source looks it up: folded unless quoted, with its schema where one is written."""
    if isinstance(node, exp.Anonymous):
        name = _folded(node.this)
    else:
        written = _SIMPLE_CALL.match(node.sql(dialect.sql))
        name = written[1].lower() if written else node.key
    parent = node.parent
    qualifier: exp.Expr | None = None
    if isinstance(parent, exp.Dot) and parent.expression is node:
        qualifier = parent.this
    elif isinstance(parent, exp.Table):
        qualifier = parent.args.get("db")
    return name if qualifier is None else f"{qualifier.sql(dialect.sql).lower()}.{name}"


def _folded(identifier: exp.Expr | str) -> str:
    if isinstance(identifier, str):
        return identifier.lower()
    return identifier.name if identifier.args.get("quoted") else identifier.name.lower()


def _table(node: exp.Table, dialect: Dialect) -> tuple[str | None, str]:
    """Answer a table's schema and name, as the source looks them up."""
    written = (node.args.get("db"), node.this)
    schema, name = (part and (_folded(part) if dialect.folds else part.name) for part in written)
    return schema or None, str(name)


def _offset(node: exp.Expr) -> int | None:
    return next((part.meta["start"] for part in node.walk() if "start" in part.meta), None)


def _numbered(reading: _Reading, casts: dict[str, str]) -> tuple[str, list[str]]:
    """Answer the author's text with a bound value for each `:name`, and the names in the order of their places."""
    numbers = {name: number for number, name in enumerate(casts, start=1)}
    text, used, end = "", [], 0
    for colon, word in _places(reading.tokens):
        name = reading.sql[word.start : word.end + 1]
        if name not in numbers:
            raise reading.refusal(f"The parameter {name} is not defined; add it to the parameters.", colon.start)
        value = casts[name].format(reading.dialect.mark.format(numbers[name]))
        text += reading.sql[end : colon.start] + value
        used.append(name)
        end = word.end + 1
    return text + reading.sql[end:], used


def _places(tokens: list[Token]) -> Iterator[tuple[Token, Token]]:
    for colon, word in pairwise(tokens):
        adjoining = colon.token_type is TokenType.COLON and word.start == colon.end + 1
        if adjoining and re.match(r"[A-Za-z_]", word.text) and word.token_type is not TokenType.IDENTIFIER:
            yield colon, word


def _pieces(tree: exp.Expr, dialect: Dialect) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write `tree` down with a gap for each parameter.

    The mark is drawn after the text was given, so that no text can hold it.
    """
    mark = f"lodge{secrets.token_hex(16)}"
    copy = tree.copy()
    for node in list(copy.find_all(exp.Placeholder)):
        node.replace(exp.Var(this=f"{mark}_{node.name}_{mark}"))
    text = copy.sql(dialect.sql, comments=False, normalize_functions=False)
    parts = re.split(f"{mark}_([a-z0-9_]+?)_{mark}", text)
    return tuple(parts[0::2]), tuple(parts[1::2])


def _tables(tree: exp.Expr, dialect: Dialect) -> list[str]:
    """Answer the relations that are read, without the names that the statement itself makes by WITH."""
    made = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    named = [node for node in tree.find_all(exp.Table) if isinstance(node.this, exp.Identifier)]
    read = [_table(node, dialect) for node in named]
    return sorted({f"{schema}.{name}" if schema else name for schema, name in read if schema or name not in made})


def _is_ordered(tree: exp.Expr) -> bool:
    """Say whether the statement has an order and no limit of its own."""
    return bool(tree.args.get("order")) and not any(tree.args.get(one) for one in ("limit", "offset", "fetch"))
