"""No memory of the supervisor or of the command ends in a file, whoever collects crashes."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """Forbid them for this process and for those that it starts.

    A limit of 0 does not do: where ``core_pattern`` is a pipe (systemd-coredump, apport) the kernel
    ignores the limit, unless it is exactly 1, which stands for "no dump" there
    (``do_coredump`` in Linux's fs/coredump.c). A file of one byte is not written either: it is less
    than a page (``min_coredump`` of fs/binfmt_elf.c).
    """
    limit = 1 if sys.platform == "linux" else 0
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    except ValueError:  # only the superuser may go from a hard limit of 0 to 1
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _leave_out_all_memory()
        _close_memory_to_other_processes()


def _leave_out_all_memory() -> None:
    """Empty the dump that is made all the same: man 5 core, "Controlling which mappings…"."""
    with contextlib.suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")


def _close_memory_to_other_processes() -> None:
    """Keep the command, which runs as the same user, from reading our memory and environment.

    The key to the vault is not the command's. This ends at ``exec``, so the command itself can be
    traced and debugged: man 2 prctl. It does not stop the superuser.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
