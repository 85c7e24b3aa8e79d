"""A SIGTERM unwinds a process, as Ctrl-C does."""

import os
import signal

import pytest

from remote_entry.termination import Terminated, stops_later, terminable


def test_what_is_held_is_let_go() -> None:
    """Once: a second SIGTERM does not disturb that. Afterwards all is as before."""
    before = signal.getsignal(signal.SIGTERM)
    let_go = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            let_go.append(True)

    with pytest.raises(Terminated), terminable():
        work()
    assert let_go
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_ends_nothing_that_is_over() -> None:
    """The handler is there for as long as it is wanted."""
    with terminable():
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_stop_waits_for_what_must_not_be_disturbed() -> None:
    """And comes then."""
    done = []

    def work() -> None:
        with stops_later():
            signal.raise_signal(signal.SIGINT)  # to this thread: pytest may have others
            done.append("fork")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["fork"]
