"""Faults that a test asks for: an error, a pause or a reset, at one place, so many times.

And at `tls` a certificate that clients must refuse, or no encryption at all.
"""

import dataclasses
import re
import threading
from typing import Literal

from submitter.emulator.sqlserver.errors import ConnectionDroppedError, SqlError
from submitter.emulator.sqlserver.known_errors import known_error

Place = Literal["connect", "tls", "login", "query", "rows"]
Certificate = Literal["untrusted", "other-host", "expired"]

# As good as for ever to a client, and short enough for every timer.
SILENT_SECONDS = 86_400.0


@dataclasses.dataclass
class Rule:
    """One rule.

    Attributes:
        at: Where it strikes.
        fault: What happens then.
        matching: Searched for in the SQL text.
        after_rows: How many rows were sent before.
        left: How often it still strikes; None for ever.
    """

    at: Place
    fault: "Fault"
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
    """What happens now: first the delay, then the reset or the error.

    Attributes:
        delay: Seconds to wait.
        drop: Whether the connection is reset.
        error: What is answered instead.
        certificate: Which certificate is shown instead of the right one.
        unencrypted: Whether the server says that it cannot encrypt.
    """

    delay: float = 0.0
    drop: bool = False
    error: SqlError | None = None
    certificate: Certificate | None = None
    unencrypted: bool = False

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
        self._rules: list[Rule] = []

    def add(
        self,
        *,
        at: Place,
        error: int | None = None,
        message: str | None = None,
        severity: int | None = None,
        state: int | None = None,
        drop: bool = False,
        delay: float = 0.0,
        silent: bool = False,
        certificate: Certificate | None = None,
        unencrypted: bool = False,
        matching: str | None = None,
        after_rows: int = 0,
        times: int | None = 1,
    ) -> Rule:
        """Add a rule; the first one that applies is used.

        Args:
            at: ``connect`` before the first byte is answered, ``tls`` before the handshake,
                ``login`` when the credentials are looked at, ``query`` before a statement,
                ``rows`` between its rows.
            error: SQL Server's number of the error to answer with.
            message: Its text, instead of the usual one.
            severity: Its class, instead of the usual one; from 20 on the connection is closed
                after it.
            state: Its state, instead of the usual one.
            drop: Reset the connection.
            delay: Seconds to wait first; a cancel is seen meanwhile.
            silent: Wait until the client leaves.
            certificate: At ``tls``, show one by an authority that nobody trusts, one of another
                host, or one that has expired.
            unencrypted: At ``tls``, say that the server cannot encrypt.
            matching: A regular expression that the SQL text must match.
            after_rows: How many rows were sent before, for ``rows``.
            times: How often the rule applies; None is always.

        Returns:
            The rule; its `left` tells how often it will still strike.
        """
        problem = None
        if error is not None:
            problem = known_error(error, message=message, severity=severity, state=state)
        fault = Fault(SILENT_SECONDS if silent else delay, drop, problem, certificate, unencrypted)
        pattern = re.compile(matching, re.IGNORECASE) if matching is not None else None
        rule = Rule(at, fault, pattern, after_rows, times)
        with self._lock:
            self._rules.append(rule)
        return rule

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
                    return rule.fault
        return None

    def expects(self, at: Place) -> bool:
        """Whether any rule still waits to strike at a place."""
        with self._lock:
            return any(rule.at == at and rule.left != 0 for rule in self._rules)
