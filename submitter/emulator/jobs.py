"""Jobs: what a compute target is asked to carry out, and what it tells of it.

A job is one or more processes on as many copies of a folder as it has nodes. What its end means for
a run is the business of whoever submitted it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Rank:
    """One process of a job.

    Attributes:
        node: The number of the node that it runs on, from 0.
        environment: Variables that tell it from the job's other processes.
        log: The file that standard output and error are added to.
    """

    node: int
    environment: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Failure:
    """Why a job does not start.

    Attributes:
        message: What its owner is told.
        code: The service's word for whose fault it is.
    """

    message: str
    code: str = "ServiceError"


@dataclass(frozen=True)
class Job:
    """A program to carry out.

    Attributes:
        run_id: Names it.
        target: The compute target.
        nodes: How many of its nodes are needed.
        script: The Python script to run, unless there is a command.
        arguments: The script's arguments.
        command: A shell command.
        environment: All variables but PATH and HOME, which the compute target sets, and those of
            each process.
        lay_out: Puts the job's files into a node's folder; raises `PreparationError` if it must
            not run.
        ranks: Makes the processes of an attempt (0, and one more after each preemption), as soon
            as there are nodes for them.
        time_limit: Seconds after which it is stopped; None for none.
    """

    run_id: str
    target: str
    nodes: int
    script: str | None
    arguments: tuple[str, ...]
    command: str | None
    environment: Mapping[str, str] = field(repr=False)
    lay_out: Callable[[Path], None]
    ranks: Callable[[int], Sequence[Rank]]
    time_limit: float | None = None


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        exit_code: That of the process that failed first, or 0; None if none ever ran.
        failed: The number of that process.
        log: Its log.
        canceled: Whether the job was cancelled.
        timed_out: Whether it was stopped for its time limit.
        failure: Why it could not be started, if so.
    """

    exit_code: int | None = None
    failed: int = 0
    log: Path | None = field(default=None, compare=False)
    canceled: bool = False
    timed_out: bool = False
    failure: Failure | None = None


class PreparationError(Exception):
    """A job must not run.

    Args:
        failure: Why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Report(Protocol):
    """Is told how a job fares."""

    def queued(self) -> None:
        """The job lost its nodes, and waits for others."""

    def preparing(self) -> None:
        """The job got its nodes."""

    def running(self) -> None:
        """The processes have started."""

    def ended(self, result: JobResult, folders: Sequence[Path]) -> None:
        """The job is over; its files are still in `folders`, one for each node."""
