"""Hops of a check: what was tried, how it went, how long it took, what to do next."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from remote_entry.errors import RemoteEntryError
from remote_entry.masking import Masker

Step = tuple[str, Callable[[], str]]
"""A hop's name, and what tries it: it returns what was found, or raises a RemoteEntryError."""


class Outcome(str, Enum):
    """How a hop went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Hop:
    """One step of the way.

    Attributes:
        name: What was tried, such as ``identity`` or ``sql login``.
        outcome: How it went.
        detail: What was found, or what happened and where.
        seconds: How long it took.
        kind: A stable word for programs if it failed, such as ``vault.firewall``.
        hint: The next step if it failed.
    """

    name: str
    outcome: Outcome
    detail: str
    seconds: float = 0.0
    kind: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return the hop's line, and the lines that explain a failure."""
        line = f"{self.outcome.value:8} {self.name:18} {self.seconds:6.2f} s  {self.detail}"
        if self.hint:
            line += f"\nNext: {self.hint}"
        return line.replace("\n", f"\n{'':38}")

    def as_json(self) -> dict[str, Any]:
        """Return the hop as JSON's types."""
        return {**asdict(self), "outcome": self.outcome.value, "seconds": round(self.seconds, 3)}


class Walk:
    """Tries steps and reports each as a hop.

    Args:
        report: Receives each hop as soon as it is done.

    Attributes:
        exit_code: That of the first error; 0 as long as there was none.
    """

    def __init__(self, report: Callable[[Hop], object]) -> None:
        self._report = report
        self._masker = Masker(())
        self.exit_code = 0

    def hide(self, values: Iterable[str]) -> None:
        """Mask these values from now on."""
        self._masker = Masker(values)

    def chain(self, steps: Sequence[Step]) -> bool:
        """Try steps that stand on each other; return whether the last one was reached and went."""
        for index, (name, attempt) in enumerate(steps):
            if not self.hop(name, attempt):
                self.skip((later for later, _ in steps[index + 1 :]), because=name)
                return False
        return True

    def hop(self, name: str, attempt: Callable[[], str]) -> bool:
        """Try one step; return whether it went."""
        started = time.monotonic()
        try:
            detail = attempt()
        except RemoteEntryError as error:
            seconds = time.monotonic() - started
            self.exit_code = self.exit_code or error.exit_code
            failed = Hop(
                name, Outcome.FAILED, self._masked(error.message), seconds, error.kind, error.hint
            )
            self._report(failed)
            return False
        self._report(Hop(name, Outcome.OK, self._masked(detail), time.monotonic() - started))
        return True

    def warn(self, name: str, warnings: Iterable[str]) -> None:
        """Report what works and should be corrected all the same."""
        for warning in warnings:
            self._report(Hop(name, Outcome.WARNING, self._masked(warning)))

    def skip(self, names: Iterable[str], *, because: str) -> None:
        """Report steps that cannot be tried."""
        for name in names:
            self._report(Hop(name, Outcome.SKIPPED, f"because of {because}"))

    def _masked(self, text: str) -> str:
        """Return a text without what no output may show."""
        return self._masker.mask_text(text)
