"""Work that may block for ever is bounded by one deadline."""

import os
import signal
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError

import pytest

from remote_entry.deadline import Deadline, let_interrupt, start_in_background


def test_deadline_counts_down_to_zero_and_no_further() -> None:
    """Remaining seconds can be handed to any timeout."""
    now = [100.0]
    deadline = Deadline(10, clock=lambda: now[0])
    now[0] = 104.0
    assert deadline.remaining() == 6.0
    now[0] = 200.0
    assert deadline.remaining() == 0.0
    assert deadline.passed


def test_results_come_in_the_order_of_the_tasks() -> None:
    """Futures belong to tasks by position."""
    futures = start_in_background([lambda: 1, lambda: 2], threads=2, deadline=Deadline(10))
    assert [future.result(timeout=10) for future in futures] == [1, 2]


def test_exception_reaches_the_one_who_waits() -> None:
    """A task that fails does not fail silently on its thread."""

    def fail() -> None:
        raise ValueError("told")

    [future] = start_in_background([fail], threads=1, deadline=Deadline(10))
    with pytest.raises(ValueError, match="told"):
        future.result(timeout=10)


def test_task_after_the_deadline_never_starts() -> None:
    """A late thread starts no new request."""
    started = threading.Event()
    [future] = start_in_background(
        [started.set], threads=1, deadline=Deadline(0, clock=lambda: 0.0)
    )
    with pytest.raises(FutureTimeoutError):
        future.result(timeout=0.05)
    assert not started.is_set()


def test_threads_do_not_keep_the_process_alive() -> None:
    """A thread that is stuck in a silent server dies with the interpreter."""
    daemons: list[bool] = []
    [future] = start_in_background(
        [lambda: daemons.append(threading.current_thread().daemon)],
        threads=1,
        deadline=Deadline(10),
    )
    future.result(timeout=10)
    assert daemons == [True]


def test_ctrl_c_does_not_wait_for_what_blocks() -> None:
    """A driver's C code does not hear of signals; whoever waits for it does."""
    silent = threading.Event()

    def block() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert silent.wait(60)

    try:
        with pytest.raises(KeyboardInterrupt):
            let_interrupt(block)
    finally:
        silent.set()


def test_what_was_let_interrupt_returns_or_raises() -> None:
    """A TimeoutError of the task's own is no reason to wait on."""

    def fail() -> None:
        raise TimeoutError("its own")

    assert let_interrupt(lambda: 1) == 1
    with pytest.raises(TimeoutError, match="its own"):
        let_interrupt(fail)
