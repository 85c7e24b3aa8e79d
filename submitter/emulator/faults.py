"""Rules that make a played service fail the way real ones do."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern

from submitter.emulator import known_problems
from submitter.emulator.service import Problem, TokenFault


@dataclass
class Fault:
    """One rule.

    Attributes:
        service: The service it hits; `azureml` stands for all of `azureml.runs` and its like.
        match: Searched for in `METHOD path`, with `?comp=…` after it where storage is told so what
            to do.
        problem: What to answer with; None lets the request through after `delay`.
        headers: Headers of that answer, such as `Retry-After`.
        body: Its body; None for the service's own error shape.
        delay: Seconds to wait first.
        drop: Whether to cut the connection instead of answering.
        cut_body: Whether to cut it in the middle of the right answer's body.
        lose_answer: Whether to carry the request out, and cut the connection before the answer.
        silent: Whether to say nothing until the client leaves.
        token: What is wrong with the token in the right answer.
        remaining: How often it still hits; None for ever.
    """

    service: str | None
    match: Pattern[str]
    problem: Problem | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    delay: float = 0.0
    drop: bool = False
    cut_body: bool = False
    lose_answer: bool = False
    silent: bool = False
    token: TokenFault | None = None
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
        problem: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        delay: float = 0.0,
        drop: bool = False,
        cut_body: bool = False,
        lose_answer: bool = False,
        silent: bool = False,
        token: TokenFault | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Add a rule.

        Args:
            service: `entra`, `arm`, `keyvault`, `storage`, `managed-identity`, `azureml` or one of
                the latter's parts such as `azureml.runs`; None for all.
            match: A regular expression searched for in `METHOD path`; `comp` of the query comes
                after the path: `PUT /lake/.*[?]comp=lease`.
            status: The HTTP status to answer with; None to only delay.
            problem: Or a refusal by its name: of `keyvault` a code or inner code such as
                `ForbiddenByRbac`, of `storage` a code such as `ServerBusy`, of `entra` a number
                such as `AADSTS90033`.
            headers: Headers of that answer.
            body: A JSON value, text or bytes; None for the service's own error shape.
            delay: Seconds to wait before anything else.
            drop: Cut the connection instead of answering.
            cut_body: Cut the connection in the middle of the right answer's body.
            lose_answer: Carry the request out, then cut the connection before the answer.
            silent: Say nothing until the client leaves.
            token: Answer rightly, but for the token in the answer (`entra`, `managed-identity`).
            times: How many requests it hits; None for all.

        Returns:
            The rule; its `remaining` tells how often it will still hit.

        Raises:
            ValueError: The service has no problem of that name.
        """
        asked = None
        if problem is not None:
            asked = known_problems.named(service, problem)
        elif status is not None and not cut_body and not lose_answer and token is None:
            asked = known_problems.with_status(service, status)
        rule = Fault(
            service=service,
            match=re.compile(match),
            problem=asked,
            headers=dict(headers or {}),
            body=body,
            delay=delay,
            drop=drop,
            cut_body=cut_body,
            lose_answer=lose_answer,
            silent=silent,
            token=token,
            remaining=times,
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
