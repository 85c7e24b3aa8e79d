"""T-SQL text to sqlglot trees, with functions left as they were written.

sqlglot turns T-SQL functions into general ones and loses on the way which they were
(GETDATE and SYSDATETIME become one). Here a function stays a name with arguments, and
`functions` says what each means.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.dialects.tsql import TSQL

from submitter.emulator.sqlserver.errors import SqlError, not_played, syntax_error

_PARSER: Any = TSQL.parser_class
_UNDERSTOOD = frozenset({"COUNT", "COUNT_BIG", "SUM", "AVG", "MIN", "MAX"})
_SPECIAL_SYNTAX = frozenset({"CAST", "CONVERT", "TRY_CAST", "TRY_CONVERT", "STRING_AGG", "TRIM"})
_WITH_SYNTAX_OF_THEIR_OWN = ("OPENJSON", "OPENROWSET", "OPENXML")


def _refusal(function: str) -> Callable[[Any], NoReturn]:
    """Return a parser of a function that is not played, whatever stands in its parentheses."""

    def refuse(_parser: Any) -> NoReturn:
        raise not_played(function)

    return refuse


class _Parser(_PARSER):  # type: ignore[misc]  # sqlglot is untyped here
    FUNCTIONS = {  # noqa: RUF012 - sqlglot's own way to make a dialect
        name: build for name, build in _PARSER.FUNCTIONS.items() if name in _UNDERSTOOD
    }
    FUNCTION_PARSERS = {
        name: parse for name, parse in _PARSER.FUNCTION_PARSERS.items() if name in _SPECIAL_SYNTAX
    } | {name: _refusal(name) for name in _WITH_SYNTAX_OF_THEIR_OWN}

    def _parse_types(self, *args: Any, **options: Any) -> Any:
        """Keep real apart from float, which sqlglot does not: float(24) is its other name."""
        is_real = self._curr is not None and self._curr.text.lower() == "real"
        parsed = super()._parse_types(*args, **options)
        if is_real and isinstance(parsed, exp.DataType) and not parsed.expressions:
            parsed.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(24))])
        return parsed


class _Tokenizer(TSQL.tokenizer_class):  # type: ignore[misc]  # sqlglot is untyped here
    COMMANDS: ClassVar[frozenset[Any]] = (
        frozenset()
    )  # PRINT and its like would swallow the statements after them


class EmulatedTSQL(TSQL):  # type: ignore[misc]  # sqlglot is untyped here
    """sqlglot's T-SQL with functions left alone."""

    Tokenizer = _Tokenizer
    Parser = _Parser


def parse_statement(text: str) -> exp.Expression:
    """Parse one statement.

    Raises:
        SqlError: 102 where the text is no T-SQL, 40000 where sqlglot cannot read it.
    """
    try:
        trees = [tree for tree in sqlglot.parse(text, read=EmulatedTSQL) if tree is not None]
    except sqlglot.errors.ParseError as problem:
        near = problem.errors[0].get("highlight") if problem.errors else None
        raise syntax_error(near or text.strip()[:40]) from None
    except sqlglot.errors.TokenError:
        raise SqlError(105, "Unclosed quotation mark after the character string.") from None
    if len(trees) != 1 or isinstance(trees[0], exp.Command):
        raise not_played(f"the statement {' '.join(text.split())[:80]}")
    return trees[0]


def parse_expression(text: str) -> exp.Expression:
    """Parse one expression, such as a variable's new value."""
    tree = parse_statement(f"SELECT {text}")
    if not isinstance(tree, exp.Select) or len(tree.selects) != 1:
        raise syntax_error(text.strip()[:40])
    return tree


def template(text: str, /, **parts: exp.Expression | str | int) -> exp.Expression:
    """Return a DuckDB expression with its `:names` replaced.

    Args:
        text: Such as ``LENGTH(RTRIM(:text))``.
        **parts: What stands for each name: a tree, or a value that becomes a literal.
    """
    tree = _parsed_template(text).copy()
    for placeholder in list(tree.find_all(exp.Placeholder)):
        part = parts[placeholder.name]
        replacement = part.copy() if isinstance(part, exp.Expression) else exp.convert(part)
        if isinstance(replacement, exp.Binary | exp.Unary | exp.Condition) and not isinstance(
            replacement, exp.Literal | exp.Column | exp.Func | exp.Paren
        ):
            replacement = exp.Paren(this=replacement)
        if placeholder is tree:
            return replacement
        placeholder.replace(replacement)
    return tree


_TEMPLATES: dict[str, exp.Expression] = {}


def _parsed_template(text: str) -> exp.Expression:
    if text not in _TEMPLATES:
        _TEMPLATES[text] = sqlglot.parse_one(text, read="duckdb")
    return _TEMPLATES[text]
