"""A hop: what was tried, how it went, how long it took, what to do next; one line each.

The laptop's own check shows its hops in the same columns.
"""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


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
