"""No process reads on for a parent that is gone."""

import contextlib
import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_the_parent() -> None:
    """Have the kernel end this process when its parent is killed.

    One that waits for a server that fell silent would keep its connection for ever.
    """
    with contextlib.suppress(OSError, AttributeError):  # no Linux: it ends at its next note
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
