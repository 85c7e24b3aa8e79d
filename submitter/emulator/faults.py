"""Rules that make a played service fail the way real ones do."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern


@dataclass
class Fault:
    """One rule.

    Attributes:
        service: The service it hits; `azureml` stands for all of `azureml.runs` and its like.
        match: Searched for in `METHOD path`.
        status: The HTTP status to answer with; None lets the request through after `delay`.
        headers: Headers of that answer, such as `Retry-After`.
        body: Its body; None for the service's own error shape.
        delay: Seconds to wait first.
        drop: Whether to cut the connection instead of answering.
        remaining: How often it still hits; None for ever.
    """

    service: str | None
    match: Pattern[str]
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    delay: float = 0.0
    drop: bool = False
    remaining: int | None = 1

    def hits(self, service: str, method: str, path: str) -> bool:
        """Say whether the rule applies to a request."""
        if self.remaining == 0:
            return False
        if self.service is not None and not f"{service}.".startswith(f"{self.service}."):
            return False
        return self.match.search(f"{method} {path}") is not None


class Faults:
    """The rules in force; the first that hits wins. Safe to change while requests come in."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        service: str | None = None,
        match: str = "",
        *,
        status: int | None = 503,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        delay: float = 0.0,
        drop: bool = False,
        times: int | None = 1,
    ) -> Fault:
        """Add a rule.

        Args:
            service: `entra`, `arm`, `keyvault`, `storage`, `azureml` or one of the latter's parts
                such as `azureml.runs`; None for all.
            match: A regular expression searched for in `METHOD path`.
            status: The HTTP status to answer with; None to only delay.
            headers: Headers of that answer.
            body: A JSON value, text or bytes; None for the service's own error shape.
            delay: Seconds to wait before anything else.
            drop: Cut the connection instead of answering.
            times: How many requests it hits; None for all.

        Returns:
            The rule; its `remaining` tells how often it will still hit.
        """
        rule = Fault(
            service, re.compile(match), status, dict(headers or {}), body, delay, drop, times
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def take(self, service: str, method: str, path: str) -> Fault | None:
        """Return the rule that hits a request, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.hits(service, method, path):
                    if rule.remaining is not None:
                        rule.remaining -= 1
                    return rule
        return None
