"""How the benches measure: in turn with a peer, as processes of their own, medians."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 5
PYTHON = sys.executable


@dataclass(frozen=True)
class Row:
    """One measurement; the columns of build/bench.json.

    Attributes:
        bench: What was measured.
        subject: What it was measured on.
        peer: What stands beside it; empty for none.
        value: The subject's figure.
        unit: Its unit.
        ratio: The subject's figure divided by the peer's, or None.
        goal: What had to hold, in words.
        met: Whether it did.
    """

    bench: str
    subject: str
    peer: str
    value: float
    unit: str
    ratio: float | None
    goal: str
    met: bool


def side_by_side(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    """Run two things in turn; return the median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, into in zip((ours, peer), times, strict=True):
            started = time.perf_counter()
            call()
            into.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def run(
    command: list[str], folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end; return its standard output."""
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    check(done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stderr}")
    return done.stdout


def check(holds: object, otherwise: str) -> None:
    """End the bench with an error unless something holds."""
    if not holds:
        sys.exit(f"bench: {otherwise}")
