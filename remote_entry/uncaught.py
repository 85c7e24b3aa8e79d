"""An error of this package that a supervised script does not catch ends as one message.

A traceback would bury what happened under the frames of drivers and SDKs. The process ends with the
error's own exit code, so the run's record says which part failed. REMOTE_ENTRY_DEBUG=1 brings the
traceback back.
"""

import os
import sys
import traceback
from types import TracebackType

from remote_entry.errors import RemoteEntryError
from remote_entry.supervision.handover import DESCRIPTOR_VARIABLE


def report_uncaught_errors() -> None:
    """Have uncaught errors reported in this process, if `remote_entry run` started it."""
    if DESCRIPTOR_VARIABLE in os.environ and sys.excepthook is sys.__excepthook__:
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print one message; what this package did not raise is printed as ever."""
    if not isinstance(error, RemoteEntryError) or os.environ.get("REMOTE_ENTRY_DEBUG") == "1":
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(f"remote_entry: error: {error}\n")
    frames = traceback.extract_tb(trace, limit=1)
    if frames:
        sys.stderr.write(f"  At: {frames[0].filename}, line {frames[0].lineno}\n")
    # CPython ends the process with this code, as for any SystemExit, after its usual clean-up.
    raise SystemExit(error.exit_code)
