"""Compute targets: a queue of jobs each, and a worker for every node.

A job is a program on a folder of files. What its end means for a run is the business of whoever
submitted it.
"""

import logging
import os
import queue
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from submitter.emulator.process import ProcessGroup

logger = logging.getLogger(__name__)

# What a cancelled program has for putting its things in order.
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Job:
    """A program to carry out.

    Attributes:
        run_id: Names it.
        target: The compute target.
        script: The Python script to run, unless there is a command.
        arguments: The script's arguments.
        command: A shell command.
        environment: All variables but PATH and HOME, which the compute target sets.
        lay_out: Puts the job's files into a folder.
        log: The file that standard output and error are added to.
        time_limit: Seconds after which it is stopped; None for none.
    """

    run_id: str
    target: str
    script: str | None
    arguments: tuple[str, ...]
    command: str | None
    environment: Mapping[str, str] = field(repr=False)
    lay_out: Callable[[Path], None]
    log: Path
    time_limit: float | None = None


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        exit_code: The program's exit code; None if it never ran.
        canceled: Whether it was cancelled.
        timed_out: Whether it was stopped for its time limit.
        failure: Why it could not be started, if so.
    """

    exit_code: int | None = None
    canceled: bool = False
    timed_out: bool = False
    failure: str | None = None


class Report(Protocol):
    """Is told how a job fares."""

    def preparing(self) -> None:
        """The job got a node."""

    def running(self) -> None:
        """The program has started."""

    def ended(self, result: JobResult, folder: Path) -> None:
        """The job is over; its files are still in `folder`."""


class Compute:
    """All compute targets.

    Args:
        targets: How many nodes each has.
        folder: Where jobs run, in a folder each.
        python: The interpreter that scripts run with, and that `python` is in commands.
        grace: Seconds that a cancelled program has before it is killed.
    """

    def __init__(
        self,
        targets: Mapping[str, int],
        folder: Path,
        python: str,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.targets: dict[str, int] = {}
        self._folder = folder
        self._python = os.path.abspath(python)  # noqa: PTH100 - resolving would leave the venv
        self._grace = grace
        self._path = _search_path(self._python, folder / "bin")
        self._tasks: dict[str, _Task] = {}
        self._queues: dict[str, queue.SimpleQueue[_Task | None]] = {}
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        for target, nodes in targets.items():
            self.resize(target, nodes)

    def resize(self, target: str, nodes: int) -> None:
        """Give a target, new or known, so many nodes; with none it takes no more jobs.

        Nodes that are too many go when they have worked off what is queued already.
        """
        with self._lock:
            tasks = self._queues.setdefault(target, queue.SimpleQueue())
            added = nodes - self.targets.pop(target, 0)
            if nodes:
                self.targets[target] = nodes
            for _ in range(added):
                worker = threading.Thread(
                    target=self._work, args=(tasks,), name=f"emulator-{target}", daemon=True
                )
                worker.start()
                self._workers.append(worker)
            for _ in range(-added):
                tasks.put(None)

    def submit(self, job: Job, report: Report) -> None:
        """Put a job into the queue of its target."""
        task = _Task(job, report)
        self._tasks[job.run_id] = task
        self._queues[job.target].put(task)

    def cancel(self, run_id: str) -> None:
        """End a job: at once if it waits, with some grace if it runs."""
        task = self._tasks.get(run_id)
        if task is not None:
            self._cancel(task, self._grace)

    def stop(self) -> None:
        """End all jobs and workers; stopping twice is fine."""
        for task in self._tasks.values():
            self._cancel(task, 0)
        for target, nodes in self.targets.items():
            for _ in range(nodes):
                self._queues[target].put(None)
        for worker in self._workers:
            worker.join()

    def _cancel(self, task: "_Task", grace: float) -> None:
        process = task.cancel()
        if process is None:
            return
        # Not in the caller's time: a request waits for its answer.
        threading.Thread(target=process.terminate, args=(grace,), daemon=True).start()

    def _work(self, tasks: "queue.SimpleQueue[_Task | None]") -> None:
        while (task := tasks.get()) is not None:
            folder = self._folder / task.job.run_id
            try:
                result = self._carry_out(task, folder)
            except Exception as error:
                logger.exception("run %s could not be started", task.job.run_id)
                result = JobResult(failure=f"{type(error).__name__}: {error}")
            try:
                task.report.ended(result, folder / "work")
            except Exception:
                logger.exception("the end of run %s could not be written down", task.job.run_id)

    def _carry_out(self, task: "_Task", folder: Path) -> JobResult:
        job = task.job
        if task.canceled:
            return JobResult(canceled=True)
        task.report.preparing()
        work, home = folder / "work", folder / "home"
        work.mkdir(parents=True)
        home.mkdir()
        job.lay_out(work)
        # Azure ML makes both before the command starts; scripts write there without asking.
        (work / "outputs").mkdir(exist_ok=True)
        (work / "logs").mkdir(exist_ok=True)
        environment = {**job.environment, "PATH": self._path, "HOME": str(home)}
        with job.log.open("ab") as log:
            process = task.start(lambda: ProcessGroup(self._arguments(job), work, environment, log))
            if process is None:
                return JobResult(canceled=True)
            task.report.running()
            code = process.wait(job.time_limit)
            timed_out = code is None
            if timed_out:
                process.terminate(self._grace)
                code = process.wait()
        return JobResult(exit_code=code, canceled=task.canceled, timed_out=timed_out)

    def _arguments(self, job: Job) -> list[str]:
        if job.command is not None:
            return ["bash", "-c", job.command]
        return [self._python, str(job.script), *job.arguments]


@dataclass
class _Task:
    """A job on its way through a compute target."""

    job: Job
    report: Report
    canceled: bool = False
    process: ProcessGroup | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, start: Callable[[], ProcessGroup]) -> ProcessGroup | None:
        """Start the program, unless the job has been cancelled meanwhile."""
        with self.lock:
            if not self.canceled:
                self.process = start()
            return self.process

    def cancel(self) -> ProcessGroup | None:
        """Mark the job as cancelled; return its program if that has started."""
        with self.lock:
            self.canceled = True
            return self.process


def _search_path(python: str, folder: Path) -> str:
    """Return a PATH on which `python` and `python3` are the given interpreter.

    A link would not do: an interpreter finds its virtual environment by the folder it is called in.
    """
    folder.mkdir(parents=True)
    for name in ("python", "python3"):
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n')
        wrapper.chmod(0o755)
    laptop = os.environ.get("PATH", os.defpath)
    return os.pathsep.join((str(folder), os.path.dirname(python), laptop))  # noqa: PTH120 - text
