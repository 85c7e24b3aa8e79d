"""No crash leaves memory behind."""

import subprocess
import sys

IN_CHILD = """\
import subprocess, sys
from remote_entry.supervision.core_dumps import forbid_core_dumps
forbid_core_dumps()
show = '''
import ctypes, resource
from pathlib import Path
filtered = int(Path("/proc/self/coredump_filter").read_text(), 16)
print(resource.getrlimit(resource.RLIMIT_CORE), filtered, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
'''
exec(show)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", show], check=True)
"""


def test_process_and_its_children_leave_no_core() -> None:
    """A limit of 1, no memory in a dump; only the process itself is closed to debuggers."""
    done = subprocess.run(
        [sys.executable, "-c", IN_CHILD], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(1, 1) 0 0\n(1, 1) 0 1\n"
