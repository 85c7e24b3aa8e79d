"""One bound for work that calls other people's code, which may block for as long as it likes."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.5  # a signal can miss a thread that waits without an end


class Deadline:
    """A moment after which nobody waits any more.

    Args:
        seconds: From now.
        clock: Returns seconds that never go back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds left, never less than zero."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() == 0.0


def wait_for(task: Callable[[], T], deadline: Deadline) -> T:
    """Return what a task returns, or raise TimeoutError when the deadline has passed before."""
    [future] = start_in_background([task], threads=1, deadline=deadline)
    try:
        return future.result(timeout=deadline.remaining())
    except FutureTimeoutError:
        raise TimeoutError from None


def let_interrupt(task: Callable[[], T]) -> T:
    """Return what a task returns; Ctrl-C and SIGTERM need not wait until its C code is left."""
    [future] = start_in_background([task], threads=1, deadline=Deadline(math.inf))
    while not future.done():
        wait([future], LOOK_SECONDS)
    return future.result()


def start_in_background(
    tasks: Sequence[Callable[[], T]], *, threads: int, deadline: Deadline
) -> list["Future[T]"]:
    """Run tasks on daemon threads; a task that no thread took before the deadline never starts.

    A ThreadPoolExecutor joins its threads when the interpreter ends, so one silent server would
    keep the process alive long after the deadline. Daemon threads are left behind.

    Args:
        tasks: What to call.
        threads: How many at the same time.
        deadline: When to stop taking tasks.

    Returns:
        One future a task, in the order of the tasks. Wait for them with ``deadline.remaining()``.
    """
    waiting: queue.SimpleQueue[tuple[Callable[[], T], Future[T]]] = queue.SimpleQueue()
    futures: list[Future[T]] = []
    for task in tasks:
        future: Future[T] = Future()
        futures.append(future)
        waiting.put((task, future))
    for _ in range(min(threads, len(futures))):
        threading.Thread(
            target=_work, args=(waiting, deadline), daemon=True, name="remote-entry-worker"
        ).start()
    return futures


def _work(
    waiting: "queue.SimpleQueue[tuple[Callable[[], T], Future[T]]]", deadline: Deadline
) -> None:
    """Carry tasks out until there are none or the deadline has passed."""
    while not deadline.passed:
        try:
            task, future = waiting.get_nowait()
        except queue.Empty:
            return
        _carry_out(task, future)


def _carry_out(task: Callable[[], T], future: "Future[T]") -> None:
    """Store a task's result or its exception."""
    try:
        result = task()
    except BaseException as error:  # noqa: BLE001 (the waiting thread raises it)
        future.set_exception(error)
    else:
        future.set_result(result)
