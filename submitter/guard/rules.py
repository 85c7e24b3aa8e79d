"""What a credential looks like: one rule for each kind, and where to look for it.

A rule names *markers*: texts without which it never applies. They are looked for first, all at
once, so that a rule's slow expression only ever sees the few lines that hold one.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from submitter.guard.placeholders import is_placeholder

Find = Callable[[str], Iterator[str]]
"""A text of one line, or of a few for rules that span lines → the credentials in it."""


@dataclass(frozen=True)
class Rule:
    """One kind of credential.

    Attributes:
        name: What it is, for a message: "a private key".
        markers: In lower case; one of them is in, or near, each such credential.
        find: Finds the credentials in a line around a marker.
        then: What must follow from the marker on, marker included and in lower case, for `find` to
            be worth its time: a regular expression.
        spans_lines: Whether `find` is given the lines that follow, too.
    """

    name: str
    markers: tuple[str, ...]
    find: Find
    then: str = ""
    spans_lines: bool = False


def matching(
    pattern: str,
    *,
    innocent: Callable[[str], bool] = is_placeholder,
    nearby: str | None = None,
    flags: int = 0,
) -> Find:
    """Find what an expression matches: its first group, or all of it.

    Args:
        pattern: The expression.
        innocent: Tells a placeholder from a credential.
        nearby: What else must be in the line.
        flags: Of the `re` module.
    """

    def find(text: str) -> Iterator[str]:
        # `re` keeps what it has compiled, and compiles the first time that a marker was seen.
        if nearby and not re.search(nearby, text, re.IGNORECASE):
            return
        for match in re.finditer(pattern, text, flags):
            value = match[match.lastindex or 0]
            if not innocent(value):
                yield value

    return find


def detected(module: str, detector: str) -> Find:
    """Find what a detector of detect-secrets knows; it is loaded once a marker was seen.

    Its expressions only: the library's own scan would also ask the services whether a token works.
    """

    def find(text: str) -> Iterator[str]:
        known = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), detector)
        for pattern in known.denylist:
            for match in pattern.finditer(text):
                if not is_placeholder(match[0]):
                    yield match[0]

    return find
