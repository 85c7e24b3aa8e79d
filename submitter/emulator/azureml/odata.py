"""The filters of run queries: the part of OData that azureml-core writes.

A filter such as `(Tags/stage eq "done") and (ParentRunId eq null)` becomes a predicate on a run as
the service returns it. Three things differ from OData's specification because the SDK counts on
them: values may stand without quotes, dates may hold a blank, and any comparison with a tag or
property that the run does not have is false, so that `(Tags/a ne null or Tags/a eq null)` asks
whether there is such a tag.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<parenthesis>[()])
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<date>\d{4}-\d\d-\d\d[ ]\d\d:\d\d:\d\d[^\s()]*)
      | (?P<word>[^\s()"]+)
    )""",
    re.VERBOSE,
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_ABSENT = object()


class FilterError(ValueError):
    """A filter that cannot be understood."""


def parse_filter(text: str) -> Predicate:
    """Turn a filter into a predicate.

    Args:
        text: The filter; an empty one keeps every run.

    Returns:
        A function that says whether a run, in the service's camel case, passes.

    Raises:
        FilterError: The text is no filter of this kind.
    """
    tokens = _split(text)
    if not tokens:
        return lambda _run: True
    parser = _Parser(tokens)
    predicate = parser.alternatives()
    parser.expect_end()
    return predicate


def _split(text: str) -> list[str]:
    tokens = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"The filter cannot be read from character {position + 1} on.")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: alternatives of conjunctions of comparisons or parentheses."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    def alternatives(self) -> Predicate:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return lambda run: any(part(run) for part in parts)

    def expect_end(self) -> None:
        if self._position < len(self._tokens):
            raise FilterError(f"The filter goes on with '{self._tokens[self._position]}'.")

    def _conjunction(self) -> Predicate:
        parts = [self._operand()]
        while self._accept("and"):
            parts.append(self._operand())
        return lambda run: all(part(run) for part in parts)

    def _operand(self) -> Predicate:
        if not self._accept("("):
            return self._comparison()
        inner = self.alternatives()
        if not self._accept(")"):
            raise FilterError("The filter lacks a closing parenthesis.")
        return inner

    def _comparison(self) -> Predicate:
        name, comparison, written = self._next(), self._next().lower(), self._next()
        if comparison not in _COMPARISONS:
            raise FilterError(f"The filter compares with '{comparison}'.")
        compare = _COMPARISONS[comparison]
        expected = _value_of(written)

        def holds(run: Mapping[str, Any]) -> bool:
            actual = _member(run, name)
            if actual is _ABSENT:
                return False
            if actual is None or expected is None:
                return comparison in ("eq", "ne") and compare(actual, expected)
            return compare(*_comparable(actual, expected))

        return holds

    def _accept(self, token: str) -> bool:
        accepted = (
            self._position < len(self._tokens) and self._tokens[self._position].lower() == token
        )
        self._position += accepted
        return accepted

    def _next(self) -> str:
        if self._position >= len(self._tokens):
            raise FilterError("The filter ends in the middle of a comparison.")
        self._position += 1
        return self._tokens[self._position - 1]


def _value_of(written: str) -> str | None:
    if written == "null":
        return None
    return str(json.loads(written)) if written.startswith('"') else written


def _member(run: Mapping[str, Any], name: str) -> Any:
    """Look up `Status`, `Tags/stage` or `Properties/azureml.runsource` in a run."""
    field, slash, key = name.partition("/")
    value = run.get(field[0].lower() + field[1:])
    if not slash:
        return value
    if isinstance(value, Mapping):
        # `RunTypeV2/Orchestrator` names a member of an object, whose keys are in camel case.
        return value.get(key, value.get(key[0].lower() + key[1:], _ABSENT))
    return _ABSENT


def _comparable(actual: Any, expected: str) -> tuple[Any, Any]:
    """Compare as dates what are dates, and as text everything else."""
    try:
        return _moment(str(actual)), _moment(expected)
    except ValueError:
        return str(actual), expected


def _moment(text: str) -> datetime:
    # Seven decimals are more than `fromisoformat` of Python 3.10 takes.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00"))
    moment = datetime.fromisoformat(trimmed)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
