"""Search texts for credentials: every marker of every rule in one pass over the bytes.

Aho-Corasick looks for all markers at once, at about a gigabyte a second however many there are;
only where one stands does a rule look at the line.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ahocorasick_rs import BytesAhoCorasick

from submitter.guard.password_rules import DOTENV_RULES, PASSWORD_RULES, SETTINGS_RULES
from submitter.guard.rules import Rule
from submitter.guard.token_rules import TOKEN_RULES

_BEFORE, _AFTER = 400, 3000  # bytes around a marker that a rule is shown, of a very long line
_LONGEST = 1500  # bytes of a credential that a rule knows: a token
# The comments of detect-secrets, so that one says both.
_ALLOWED = re.compile(rb"pragma: ?allowlist[ -]secret")
_ALLOWED_NEXT = re.compile(rb"pragma: ?allowlist[ -]nextline[ -]secret")


@dataclass(frozen=True)
class Hit:
    """A credential in a text, without its value.

    Attributes:
        line: Counted from 1.
        what: What it is, for a message.
        variable: The variable of this machine whose value it is, if it is one.
        commented: Whether a comment in the line, or above it, allows it.
    """

    line: int
    what: str
    variable: str | None = None
    commented: bool = False


class Search:
    """Looks for this machine's own values and for whatever looks like a credential.

    Args:
        own: What `own_forms` returned: form → variable.
    """

    def __init__(self, own: Mapping[bytes, str]) -> None:
        self._own = own
        lines = (*TOKEN_RULES, *PASSWORD_RULES)
        self._lines = _Markers(own, lines)
        self._settings = _Markers(own, (*lines, *SETTINGS_RULES))
        self._dotenv = _Markers(own, (*lines, *DOTENV_RULES))

    def own_values_in(self, content: bytes) -> Iterator[Hit]:
        """Yield which of this machine's own values are in anything, without their lines."""
        # One by one: for the few forms there are, that is four times as fast as all at once.
        for variable in sorted({name for form, name in self._own.items() if form in content}):
            yield Hit(0, f"the value of {variable}", variable)

    def in_text(self, content: bytes) -> Iterator[Hit]:
        """Yield what is found in a text, each kind once a line.

        Args:
            content: The text, in UTF-8 or another superset of ASCII.
        """
        return _found(content, self._lines)

    def in_settings(self, content: bytes) -> Iterator[Hit]:
        """Yield what is found in a text whose lines are keys and values, as in an .ini file."""
        return _found(content, self._settings)

    def in_dotenv(self, content: bytes) -> Iterator[Hit]:
        """Yield what is found in a text whose lines are variables and values: an .env file."""
        return _found(content, self._dotenv)


class _Markers:
    """All markers, looked for at once, and what each of them calls for."""

    def __init__(self, own: Mapping[bytes, str], rules: Sequence[Rule]) -> None:
        calls: dict[bytes, list[_Call]] = {}
        for form, variable in own.items():
            calls.setdefault(form.lower(), []).append(_Call.of_form(form, variable))
        for rule in rules:
            call = _Call.of_rule(rule)
            for marker in rule.markers:
                calls.setdefault(marker.encode(), []).append(call)
        self._calls = list(calls.values())
        self._automaton = BytesAhoCorasick(list(calls)) if calls else None

    def in_content(self, content: bytes) -> Iterator[tuple[int, "_Call"]]:
        """Yield where markers stand that may mean something, in order, and what they call for."""
        if self._automaton is None:
            return
        lowered = content.lower()
        for index, start, _ in self._automaton.find_matches_as_indexes(lowered, overlapping=True):
            for call in self._calls[index]:
                if call.follows is None or call.follows(lowered, start):
                    yield start, call


@dataclass(frozen=True)
class _Call:
    """What a marker calls for: to apply a rule, or to compare one form of an own value.

    Attributes:
        what: What it is then, for a message.
        follows: Tells at once that there is nothing, from what follows the marker.
        rule: The rule, or
        form: the form, and
        variable: the variable that holds the value.
    """

    what: str
    follows: Callable[[bytes, int], object] | None = None
    rule: Rule | None = None
    form: bytes = b""
    variable: str | None = None

    @classmethod
    def of_rule(cls, rule: Rule) -> "_Call":
        """Return the call for a rule."""
        return cls(rule.name, re.compile(rule.then.encode()).match if rule.then else None, rule)

    @classmethod
    def of_form(cls, form: bytes, variable: str) -> "_Call":
        """Return the call for a form of an own value."""
        return cls(f"the value of {variable}", form=form, variable=variable)


def _found(content: bytes, markers: _Markers) -> Iterator[Hit]:
    lines = _Lines(content)
    found: set[tuple[int, str]] = set()
    looked_to: dict[str, int] = {}  # rule → up to where its last look left nothing to look at
    for start, call in markers.in_content(content):
        if call.rule is None:
            applies = content.startswith(call.form, start)
        elif start < looked_to.get(call.what, 0):
            continue
        else:
            applies, looked_to[call.what] = _apply(call.rule, content, start)
        line = lines.number(start) if applies else 0
        if applies and (line, call.what) not in found:
            found.add((line, call.what))
            yield Hit(line, call.what, call.variable, lines.is_allowed(start))


def _apply(rule: Rule, content: bytes, marker: int) -> tuple[bool, int]:
    """Look at the line around a marker.

    Returns:
        Whether the rule finds a credential, and up to where no other marker needs a look.
    """
    start = max(content.rfind(b"\n", 0, marker) + 1, marker - _BEFORE)
    end = min(len(content), marker + _AFTER)
    line_end = content.find(b"\n", marker, end)
    looked_to = line_end if line_end >= 0 else end - _LONGEST
    if line_end >= 0 and not rule.spans_lines:
        end = line_end
    return any(True for _ in rule.find(content[start:end].decode("utf-8", "replace"))), looked_to


class _Lines:
    """Counts lines, forwards from the last place that was asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place, self._number = 0, 1

    def number(self, place: int) -> int:
        """Return the line of a place."""
        if place < self._place:
            self._place, self._number = 0, 1
        self._number += self._content.count(b"\n", self._place, place)
        self._place = place
        return self._number

    def is_allowed(self, place: int) -> bool:
        """Tell whether a comment of detect-secrets allows what stands in this line."""
        start = self._content.rfind(b"\n", 0, place) + 1
        end = self._content.find(b"\n", place)
        line = self._content[start : end if end >= 0 else None]
        above = self._content[self._content.rfind(b"\n", 0, max(start - 1, 0)) + 1 : start]
        return bool(_ALLOWED.search(line) or _ALLOWED_NEXT.search(above))
