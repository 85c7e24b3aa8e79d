"""A batch of T-SQL cut into its statements.

Statements need no semicolon between them in T-SQL, so the cut is made where a keyword can
only begin the next one. IF, WHILE, TRY and BEGIN ... END become a tree; the rest stays text.
"""

import dataclasses
from collections.abc import Sequence

import sqlglot
from sqlglot.tokens import Token, TokenType

from submitter.emulator.sqlserver.errors import SqlError, not_played, syntax_error
from submitter.emulator.sqlserver.parsing import EmulatedTSQL

_STARTERS = frozenset(
    [
        "select",
        "insert",
        "update",
        "delete",
        "merge",
        "with",
        "create",
        "drop",
        "alter",
        "truncate",
        "declare",
        "set",
        "if",
        "while",
        "begin",
        "end",
        "else",
        "print",
        "exec",
        "execute",
        "commit",
        "rollback",
        "use",
        "raiserror",
        "throw",
        "waitfor",
        "return",
        "goto",
        "break",
        "continue",
        "grant",
        "revoke",
        "deny",
        "save",
    ]
)
_SET_OPERATORS = frozenset({"union", "all", "except", "intersect"})
_MAIN_VERBS = frozenset({"select", "insert", "update", "delete", "merge"})
_INDEX_WORDS = frozenset({"clustered", "nonclustered"})
_HINT_HOLDERS = frozenset({"insert", "update", "delete", "merge"})


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement as text; the keyword is its first word in lower case."""

    keyword: str
    text: str


@dataclasses.dataclass(frozen=True)
class Condition:
    """IF, its condition, and what hangs on it."""

    test: str
    then: "Sequence[Node]"
    otherwise: "Sequence[Node]"


@dataclasses.dataclass(frozen=True)
class Loop:
    """WHILE, its condition, and what it repeats."""

    test: str
    body: "Sequence[Node]"


@dataclasses.dataclass(frozen=True)
class Attempt:
    """BEGIN TRY and its BEGIN CATCH."""

    body: "Sequence[Node]"
    handler: "Sequence[Node]"


Node = Statement | Condition | Loop | Attempt


def split(text: str) -> list[Node]:
    """Cut a batch.

    Raises:
        SqlError: 102 and 105 for what is no T-SQL, 40000 for what is not played.
    """
    try:
        tokens = sqlglot.tokenize(text, read=EmulatedTSQL)
    except sqlglot.errors.TokenError:
        raise SqlError(
            105, "Unclosed quotation mark after the character string.", severity=15
        ) from None
    cutter = _Cutter(text, tokens)
    nodes = cutter.nodes()
    if not cutter.at_end:
        raise syntax_error(cutter.word)
    return nodes


class _Cutter:
    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._index = 0

    @property
    def at_end(self) -> bool:
        return self._index >= len(self._tokens)

    @property
    def word(self) -> str:
        return self._word_at(self._index)

    def nodes(self) -> list[Node]:
        """Read statements up to the end or an END."""
        found: list[Node] = []
        while not self.at_end and self.word != "end":
            if self._tokens[self._index].token_type == TokenType.SEMICOLON:
                self._index += 1
            else:
                found.extend(self._node())
        return found

    def _node(self) -> Sequence[Node]:
        if self.word == "if":
            return [self._condition()]
        if self.word == "begin" and self._word_at(self._index + 1) not in {
            "tran", "transaction", "distributed",
        }:  # fmt: skip
            return self._block()
        if self.word == "while":
            return [self._loop()]
        if self.word == "goto":
            raise not_played("GOTO")
        return [self._statement()]

    def _block(self) -> Sequence[Node]:
        self._index += 1
        if self.word == "try":
            return [self._attempt()]
        nodes = self.nodes()
        if self.at_end:
            raise syntax_error("BEGIN")
        self._index += 1
        return nodes

    def _attempt(self) -> Attempt:
        self._index += 1
        body = self._until_end_of("try")
        if (self.word, self._word_at(self._index + 1)) != ("begin", "catch"):
            raise syntax_error("END TRY")
        self._index += 2
        return Attempt(body, self._until_end_of("catch"))

    def _until_end_of(self, block: str) -> Sequence[Node]:
        nodes = self.nodes()
        if self._word_at(self._index + 1) != block:
            raise syntax_error(self.word or f"BEGIN {block.upper()}")
        self._index += 2
        return nodes

    def _loop(self) -> Loop:
        start = self._index + 1
        self._index = self._end_of_expression(start)
        return Loop(self._slice(start, self._index), self._node())

    def _condition(self) -> Condition:
        start = self._index + 1
        self._index = self._end_of_expression(start)
        test = self._slice(start, self._index)
        then = self._node()
        while not self.at_end and self._tokens[self._index].token_type == TokenType.SEMICOLON:
            self._index += 1
        otherwise: Sequence[Node] = ()
        if self.word == "else":
            self._index += 1
            otherwise = self._node()
        return Condition(test, then, otherwise)

    def _end_of_expression(self, index: int) -> int:
        depth = cases = 0
        while index < len(self._tokens):
            word = self._word_at(index)
            depth += _depth_of(self._tokens[index])
            cases += (word == "case") - (word == "end" and cases > 0)
            if depth == 0 and not cases and word in _STARTERS - {"end"}:
                return index
            index += 1
        return index

    def _statement(self) -> Statement:
        start = self._index
        keyword = self.word
        depth = cases = 0
        seen: set[str] = set()
        while not self.at_end:
            token = self._tokens[self._index]
            if token.token_type == TokenType.SEMICOLON and depth == 0:
                break
            word = self.word
            begins = self._index > start and depth == 0 and not cases
            if begins and word in _STARTERS and self._begins(keyword, word, seen):
                break
            depth += _depth_of(token)
            cases += (word == "case") - (word == "end" and cases > 0)
            if depth == 0:
                seen.add(word)
            self._index += 1
        return Statement(keyword, self._slice(start, self._index))

    def _begins(self, keyword: str, word: str, seen: set[str]) -> bool:  # noqa: C901, PLR0911 - a table
        """Whether a keyword inside a statement is the start of the next."""
        before = self._word_at(self._index - 1)
        if keyword in {"create", "alter", "drop", "grant", "deny", "revoke"}:
            if keyword == "create" and "view" in seen:
                return word not in {"select", "with"}
            return _begins_after_definition(keyword, before, word)
        if word == "select":
            if before in _SET_OPERATORS or before == "for":
                return False
            if keyword == "insert" and not seen & {"select", "values", "exec", "execute"}:
                return False
        if word in _MAIN_VERBS and keyword == "with" and not seen & _MAIN_VERBS:
            return False
        if keyword == "merge" and word in {"update", "delete", "insert", "set"}:
            return False
        if word == "set" and keyword in {"update", "with"} and "set" not in seen:
            return False
        if word == "with":
            return False
        if word in {"exec", "execute"} and keyword == "insert":
            return False
        return before not in {"as", "."}

    def _slice(self, start: int, end: int) -> str:
        """Return the text of some tokens, without words that only a real server heeds."""
        if start >= end:
            return ""
        first, last = self._tokens[start], self._tokens[end - 1]
        text = self._text[first.start : last.end + 1]
        keyword = self._word_at(start)
        if keyword == "create":
            return self._blanked(text, first.start, self._index_words(start, end))
        if keyword in _HINT_HOLDERS:
            return self._blanked(text, first.start, self._target_hints(start, end))
        return text

    def _index_words(self, start: int, end: int) -> list[tuple[int, int]]:
        return [
            (self._tokens[index].start, self._tokens[index].end + 1)
            for index in range(start, end)
            if self._word_at(index) in _INDEX_WORDS
        ]

    def _target_hints(self, start: int, end: int) -> list[tuple[int, int]]:
        """Find WITH (TABLOCK) of the table that a statement changes."""
        for index in range(start, min(start + 8, end - 2)):
            if self._word_at(index) != "with":
                continue
            if self._tokens[index + 1].token_type != TokenType.L_PAREN:
                continue
            for closing in range(index + 2, end):
                if self._tokens[closing].token_type == TokenType.R_PAREN:
                    return [(self._tokens[index].start, self._tokens[closing].end + 1)]
        return []

    def _blanked(self, text: str, offset: int, ranges: Sequence[tuple[int, int]]) -> str:
        for start, end in ranges:
            blank = " " * (end - start)
            text = text[: start - offset] + blank + text[end - offset :]
        return text

    def _word_at(self, index: int) -> str:
        if not 0 <= index < len(self._tokens):
            return ""
        token = self._tokens[index]
        if token.token_type in {TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER}:
            return ""
        text: str = token.text.lower()
        return text


def _begins_after_definition(keyword: str, before: str, word: str) -> bool:
    """Whether a keyword ends a CREATE, ALTER or DROP instead of being a part of it."""
    if word == "if":
        return before not in {"table", "view", "schema", "index", "database"}
    if word in {"drop", "alter"}:
        return keyword != "alter"
    if word == "set":
        return before not in {"delete", "update", "table"}
    return word != "with" and before not in {"on", "as", "for", "with"}


def _depth_of(token: Token) -> int:
    if token.token_type == TokenType.L_PAREN:
        return 1
    return -1 if token.token_type == TokenType.R_PAREN else 0
