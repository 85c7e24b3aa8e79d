"""A SIGTERM that ends a process as Ctrl-C does, so that it lets go of what it holds."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


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
