"""Partitions in processes of this machine, one connection each.

The processes are forked before this one signs in, connects or starts a thread: a lock that a
library holds in the moment of a fork would never be released in the copy (seen with OpenSSL, in
about one of a hundred extracts that had read the vault before). They inherit what the supervisor
handed over (secrets, the socket for tokens) and nothing that two could use at once. One that is
killed is not replaced: memory may be what was short. The others take its partition; when none is
left, the extract ends and the next run goes on.
"""

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from types import TracebackType
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import Attempt
from remote_entry.extract.server.source import Source
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import portable, read_in_worker
from remote_entry.extract.workers.orphans import end_with_the_parent
from remote_entry.termination import leave_ctrl_c_to_the_parent, stops_later

_STOP_SECONDS = 5.0

# What a worker says: its kind, and what belongs to it.
Message = tuple[str, Any]


@dataclass(frozen=True)
class _Worker:
    """A process, and the line to it."""

    process: ForkProcess
    line: Connection


class Processes:
    """A context manager around so many processes.

    Args:
        count: How many.
        open_source: Signs in and connects to the server; called in each process.
    """

    def __init__(self, count: int, open_source: Callable[[], Source]) -> None:
        self._count = count
        self._open_source = open_source
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Processes":  # noqa: PYI034 - Self is new in Python 3.11
        context = multiprocessing.get_context("fork")
        with stops_later():
            for _ in range(self._count):
                self._workers.append(self._fork(context))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.line.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_STOP_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    @property
    def pids(self) -> list[int]:
        """The processes that are left."""
        return [worker.process.pid or 0 for worker in self._workers]

    def read(self, spec: Spec, attempt: Attempt, numbers: Sequence[int], watch: Watch) -> None:
        """Read partitions, as many at a time as there are processes.

        Raises:
            RemoteEntryError: The first failure that does not pass, or all processes are gone.
            OSError: What is landed in cannot be written.
        """
        waiting = list(reversed(numbers))
        busy: dict[Connection, int] = {}
        idle = [worker.line for worker in self._workers]
        while waiting or busy:
            while waiting and idle:
                line, number = idle.pop(), waiting.pop()
                busy[line] = number
                with contextlib.suppress(OSError):  # it is gone: the line's end says so next
                    line.send((spec, attempt.folder, number))
            if not busy:
                raise _all_gone(attempt)
            for line in [line for line in wait(list(busy)) if isinstance(line, Connection)]:
                said = _heard(line)
                if said is None:
                    waiting.append(self._bury(line, busy, watch))
                elif _told(said, watch):
                    del busy[line]
                    idle.append(line)

    def _fork(self, context: ForkContext) -> _Worker:
        ours, theirs = context.Pipe()
        others = [worker.line for worker in self._workers]
        process = context.Process(
            target=_work, args=(theirs, (ours, *others), self._open_source), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _bury(self, line: Connection, busy: dict[Connection, int], watch: Watch) -> int:
        """Count a worker out; return its partition."""
        [worker] = [worker for worker in self._workers if worker.line is line]
        worker.process.join()
        watch.warn(
            f"a worker ended with {worker.process.exitcode}; {len(self._workers) - 1} others go on"
        )
        self._workers.remove(worker)
        line.close()
        return busy.pop(line)


def _work(
    line: Connection, parents: Sequence[Connection], open_source: Callable[[], Source]
) -> None:
    """Read partitions until the parent has no more, or is gone."""
    leave_ctrl_c_to_the_parent()
    end_with_the_parent()
    for end in parents:  # or this process would keep its own line open
        end.close()
    watch = Watch(
        begin=lambda *_: None,
        note=lambda *counts: line.send(("note", counts)),
        warn=lambda text: line.send(("warn", text)),
    )
    source: Source | None = None
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            spec, folder, number = line.recv()
            try:
                source = source or open_source()
                read_in_worker(spec, source, folder, number, watch)
                line.send(("done", number))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # noqa: BLE001 - the parent raises it
                line.send(("error", portable(error)))


def _heard(line: Connection) -> Message | None:
    """Return what a worker says; None if it is gone."""
    try:
        said: Message = line.recv()
    except (EOFError, OSError):
        return None
    return said


def _told(said: Message, watch: Watch) -> bool:
    """Pass a message on; tell whether the partition is done."""
    kind, content = said
    if kind == "note":
        watch.note(*content)
    elif kind == "warn":
        watch.warn(content)
    elif kind == "error":
        raise content
    return kind == "done"


def _all_gone(attempt: Attempt) -> ExtractError:
    return ExtractError(
        f"All worker processes of {attempt.folder} were ended from outside",
        kind="extract.workers-gone",
        hint="if memory was short, lower partition.connections; run again: what was committed "
        "stays",
    )
