"""Faults that a test asks for: an error, a pause or a reset, at one place, so many times."""

import dataclasses
import re
import threading
from typing import Literal

from submitter.emulator.sqlserver.errors import ConnectionDroppedError, SqlError

Place = Literal["connect", "login", "query", "rows"]

_MESSAGES = {
    1205: "Transaction was deadlocked on lock resources with another process and has been "
    "chosen as the deadlock victim. Rerun the transaction.",
    40613: "Database is not currently available. Please retry the connection later.",
    40197: "The service has encountered an error processing your request. Please try again.",
    40501: "The service is currently busy. Retry the request after 10 seconds.",
    10928: "The resource limit for the database has been reached.",
    10929: "The server is currently too busy to support requests for this database.",
    49918: "Cannot process request. Not enough resources to process request.",
    4060: "Cannot open database requested by the login. The login failed.",
    18456: "Login failed for user.",
}


@dataclasses.dataclass
class _Rule:
    at: Place
    error: SqlError | None
    drop: bool
    delay: float
    matching: re.Pattern[str] | None
    after_rows: int
    left: int | None

    def applies(self, at: Place, text: str, rows: int) -> bool:
        """Whether the rule is about this moment."""
        if self.at != at or self.left == 0 or rows < self.after_rows:
            return False
        return self.matching is None or self.matching.search(text) is not None


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens now: first the delay, then the reset or the error."""

    delay: float = 0.0
    drop: bool = False
    error: SqlError | None = None

    def strike(self) -> None:
        """Raise what the fault asks for, once its delay is over."""
        if self.drop:
            raise ConnectionDroppedError("a fault rule dropped the connection")
        if self.error is not None:
            raise self.error


class SqlFaults:
    """The fault rules of one server; safe to change while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(
        self,
        *,
        at: Place,
        error: int | None = None,
        message: str | None = None,
        severity: int = 16,
        drop: bool = False,
        delay: float = 0.0,
        matching: str | None = None,
        after_rows: int = 0,
        times: int | None = 1,
    ) -> None:
        """Add a rule; the first one that applies is used.

        Args:
            at: ``connect`` before the first byte is answered, ``login`` when the credentials
                are looked at, ``query`` before a statement, ``rows`` between its rows.
            error: SQL Server's number of the error to answer with.
            message: Its text, instead of the usual one.
            severity: Its class; from 20 on the connection is closed after it.
            drop: Reset the connection.
            delay: Seconds to wait first; a cancel is seen meanwhile.
            matching: A regular expression that the SQL text must match.
            after_rows: How many rows were sent before, for ``rows``.
            times: How often the rule applies; None is always.
        """
        problem = None
        if error is not None:
            text = message or _MESSAGES.get(error, f"Error {error}, as a fault rule asked.")
            problem = SqlError(error, text, severity=severity)
        pattern = re.compile(matching, re.IGNORECASE) if matching is not None else None
        with self._lock:
            self._rules.append(_Rule(at, problem, drop, delay, pattern, after_rows, times))

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._rules.clear()

    def take(self, at: Place, text: str = "", rows: int = 0) -> Fault | None:
        """Return the fault that strikes here, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.applies(at, text, rows):
                    if rule.left is not None:
                        rule.left -= 1
                    return Fault(rule.delay, rule.drop, rule.error)
        return None

    def expects(self, at: Place) -> bool:
        """Whether any rule still waits to strike at a place."""
        with self._lock:
            return any(rule.at == at and rule.left != 0 for rule in self._rules)
