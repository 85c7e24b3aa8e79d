"""Compute targets: nodes, and jobs that wait for them, run on them and end."""

import logging
import os
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from submitter.emulator.container import HOME, Box, ContainerGroup, make_writable
from submitter.emulator.jobs import Failure, Job, JobResult, PreparationError, Rank, Report
from submitter.emulator.nodes import NodeCounts, NodePool, Place
from submitter.emulator.process import ProcessGroup, Program

logger = logging.getLogger(__name__)

# What a cancelled program has for putting its things in order.
GRACE_SECONDS = 10.0


class Compute:
    """All compute targets.

    Args:
        targets: How many nodes each has.
        folder: Where jobs run, in a folder each.
        python: The interpreter that scripts run with, and that `python` is in commands.
        grace: Seconds that a cancelled program has before it is killed.

    Attributes:
        targets: How many nodes each target may have.
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
        self._pools: dict[str, NodePool] = {}
        self._boxes: dict[str, Box] = {}
        self._failures: dict[str, list[Failure]] = {}
        self._lock = threading.Lock()
        for target, nodes in targets.items():
            self.resize(target, nodes)

    def resize(self, target: str, nodes: int, quota: int | None = None) -> None:
        """Give a target, new or known, so many nodes.

        Args:
            target: The target.
            nodes: How many it may have.
            quota: How many the subscription has left for it; None for enough.
        """
        with self._lock:
            self.targets[target] = nodes
            pool = self._pools.setdefault(target, NodePool(0))
        pool.resize(nodes if quota is None else min(nodes, quota))

    def put_in(self, target: str, box: Box | None) -> None:
        """Let the next jobs of a target run in containers, or as processes without a box."""
        with self._lock:
            if box is None:
                self._boxes.pop(target, None)
            else:
                self._boxes[target] = box

    def remove(self, target: str) -> None:
        """Remove a target: what it runs ends as it would, what waits for it is cancelled."""
        with self._lock:
            self.targets.pop(target, None)
            waiting = [task for task in self._tasks.values() if task.job.target == target]
        for task in waiting:
            if task.group is None:
                self._cancel(task, 0)

    def counts(self, target: str) -> NodeCounts:
        """Return what the nodes of a target do now."""
        return self._pools[target].counts()

    def submit(self, job: Job, report: Report) -> None:
        """Put a job into the queue of its target."""
        pool = self._pools[job.target]
        task = _Task(job, report, pool, pool.queue(job.nodes))
        with self._lock:
            self._tasks[job.run_id] = task
        name = f"emulator-{job.target}-{job.run_id}"
        task.thread = threading.Thread(target=self._work, args=(task,), name=name, daemon=True)
        task.thread.start()

    def cancel(self, run_id: str) -> None:
        """End a job: at once if it waits, with some grace if it runs."""
        task = self._tasks.get(run_id)
        if task is not None:
            self._cancel(task, self._grace)

    def preempt(self, run_id: str) -> None:
        """Take its nodes from a job that runs: it is killed, and waits for others before the rest.

        Raises:
            ValueError: It does not run.
        """
        task = self._tasks.get(run_id)
        if task is None or not task.preempt():
            raise ValueError(f"no node runs {run_id}")

    def fail_next(self, target: str, failure: Failure, times: int) -> None:
        """Let the next jobs that get nodes of a target fail before they start."""
        with self._lock:
            self._failures.setdefault(target, []).extend([failure] * times)

    def stop(self) -> None:
        """End all jobs; stopping twice is fine."""
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            self._cancel(task, 0)
        for task in tasks:
            task.thread.join()

    def _cancel(self, task: "_Task", grace: float) -> None:
        group = task.cancel()
        if group is None:
            return
        # Not in the caller's time: a request waits for its answer.
        threading.Thread(target=group.terminate, args=(grace,), daemon=True).start()

    def _work(self, task: "_Task") -> None:
        folder = self._folder / task.job.run_id
        folders: list[Path] = []
        while True:
            if not task.pool.take(task.place, lambda: task.canceled):
                result = JobResult(canceled=True)
                break
            attempt = folder / f"attempt-{task.attempt}"
            folders = [attempt / f"node-{node}" / "work" for node in range(task.job.nodes)]
            result, place = self._attempt(task, folders), task.place
            starts_again = task.starts_again()
            task.pool.release(place)
            if not starts_again:
                break
            task.report.queued()
        try:
            task.report.ended(result, folders)
        except Exception:
            logger.exception("the end of run %s could not be written down", task.job.run_id)

    def _attempt(self, task: "_Task", folders: Sequence[Path]) -> JobResult:
        try:
            return self._carry_out(task, folders)
        except PreparationError as error:
            return JobResult(failure=error.failure)
        except Exception as error:
            logger.exception("run %s could not be started", task.job.run_id)
            return JobResult(failure=Failure(f"{type(error).__name__}: {error}"))

    def _carry_out(self, task: "_Task", folders: Sequence[Path]) -> JobResult:
        job = task.job
        task.report.preparing()
        with self._lock:
            failures = self._failures.get(job.target)
            if failures:
                raise PreparationError(failures.pop(0))
        for work in folders:
            work.mkdir(parents=True)
            (work.parent / "home").mkdir()
            job.lay_out(work)
            # Azure ML makes both before the command starts; scripts write there without asking.
            (work / "outputs").mkdir(exist_ok=True)
            (work / "logs").mkdir(exist_ok=True)
        ranks = job.ranks(task.attempt)
        group = task.start(lambda: self._start(job, ranks, folders))
        if group is None:
            return JobResult(canceled=True)
        task.report.running()
        code = group.wait(job.time_limit)
        timed_out = code is None
        if timed_out:
            group.terminate(self._grace)
            code = group.wait()
        failed = group.failed or 0
        return JobResult(code, failed, ranks[failed].log, task.canceled, timed_out)

    def _start(self, job: Job, ranks: Sequence[Rank], folders: Sequence[Path]) -> ProcessGroup:
        """Start a job's processes: on this machine itself, or in the target's containers."""
        box = self._boxes.get(job.target)
        programs = [self._program(job, rank, folders[rank.node], box) for rank in ranks]
        if box is None:
            return ProcessGroup(programs, self._grace)
        for folder in folders:
            make_writable(folder)
        return ContainerGroup(programs, self._grace, box)

    def _program(self, job: Job, rank: Rank, work: Path, box: Box | None) -> Program:
        python, own = self._python, {"PATH": self._path, "HOME": str(work.parent / "home")}
        if box is not None:  # what an image has on its PATH is the image's business
            python, own = "python", {"HOME": HOME}
        arguments = [python, str(job.script), *job.arguments]
        if job.command is not None:
            arguments = ["bash", "-c", job.command]
        return Program(arguments, work, {**job.environment, **rank.environment, **own}, rank.log)


@dataclass
class _Task:
    """A job on its way through a compute target."""

    job: Job
    report: Report
    pool: NodePool
    place: Place
    attempt: int = 0
    canceled: bool = False
    preempted: bool = False
    group: ProcessGroup | None = None
    thread: threading.Thread = field(default_factory=threading.Thread)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, start: Callable[[], ProcessGroup]) -> ProcessGroup | None:
        """Start the processes, unless the job has been cancelled meanwhile."""
        with self.lock:
            if not self.canceled:
                self.group = start()
                self.pool.start(self.place)
            return self.group

    def cancel(self) -> ProcessGroup | None:
        """Mark the job as cancelled; return its processes if they have started."""
        with self.lock:
            self.canceled = True
        self.pool.look_again()
        return self.group

    def preempt(self) -> bool:
        """Kill the processes; return whether there were any."""
        with self.lock:
            group = self.group
            if group is None or group.is_over():
                return False
            self.preempted = True
        group.terminate(0)
        return True

    def starts_again(self) -> bool:
        """Say whether the job was preempted; if so, it is in the queue again, before the rest."""
        with self.lock:
            if not self.preempted or self.canceled:
                return False
            self.preempted, self.group = False, None
            self.attempt += 1
        self.place = self.pool.queue(self.job.nodes, first=True)
        return True


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
