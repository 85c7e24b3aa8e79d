"""What differs between runs: how they were made, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from submitter.backends.base import RunDetails
from submitter.guard import shown
from submitter.runs.handle import RunHandle

_SIDE_BY_SIDE = 8
_SNAPSHOT = "ContentSnapshotId"
_COMMIT = "azureml.git.commit"


@dataclass(frozen=True)
class Aspect:
    """One thing in which runs may differ.

    Attributes:
        name: Such as `variable SQL_SERVER` or `metric mae`.
        values: Each run's; `None` where it has none. Credentials are masked.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return any(value != self.values[0] for value in self.values)


def compare(runs: Sequence[RunHandle]) -> Sequence[Aspect]:
    """Hold runs against each other.

    Args:
        runs: Two or more.

    Returns:
        All aspects, those in which they are equal included, in the order in which to read them.
    """
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        details = list(pool.map(RunHandle.details, runs))
        metrics = list(pool.map(RunHandle.metrics, runs))
    plain: Mapping[str, Callable[[RunDetails], Any]] = {
        "status": lambda run: run.status,
        "error": lambda run: run.error or None,
        "experiment": lambda run: run.experiment,
        "submitted by": lambda run: run.submitted_by,
        "seconds": lambda run: run.running_seconds,
        "compute": lambda run: run.compute,
        "environment": lambda run: run.environment,
        "command": lambda run: shown("command", run.command),
        "files": lambda run: run.properties.get(_SNAPSHOT),
        "git commit": lambda run: run.properties.get(_COMMIT),
    }
    return [
        *(Aspect(name, tuple(map(of, details))) for name, of in plain.items()),
        *_by_name("variable", [_masked(run.variables) for run in details]),
        *_by_name("tag", [_masked(run.tags) for run in details]),
        *_by_name("metric", metrics),
    ]


def _by_name(kind: str, of_runs: Sequence[Mapping[str, Any]]) -> list[Aspect]:
    names = sorted({name for each in of_runs for name in each})
    return [Aspect(f"{kind} {name}", tuple(each.get(name) for each in of_runs)) for name in names]


def _masked(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Mask before comparing: whether two credentials are equal is not for everyone's eyes."""
    return {name: shown(name, value) for name, value in texts.items()}
