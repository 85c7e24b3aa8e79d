"""Signals that stop a process: whoever is stopped lets go of what it holds, and none is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_STOPS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """A SIGTERM: the job was cancelled, or its node is needed."""


@contextmanager
def terminable() -> Iterator[None]:
    """Have the first SIGTERM raise ``Terminated``; later ones change nothing.

    For the main thread. A process that is forked inside has to see to SIGTERM itself.
    """

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stops_later() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of what is done inside, such as a fork.

    For a process that has no other threads yet: one of those would take the signal.
    In a fork a signal's exception would rise from a hook of some library, where nobody hears it. A
    process that begins inside calls ``leave_ctrl_c_to_the_parent``.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_ctrl_c_to_the_parent() -> None:
    """In a process that was forked inside ``stops_later``: a SIGTERM ends it, Ctrl-C does not."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
