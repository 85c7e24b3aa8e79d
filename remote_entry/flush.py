"""Metrics that a script logs in its last two seconds.

azureml-core 1.61 sends metrics from a background thread and does not wait for it when the
interpreter ends, so what was logged last is lost without ``run.flush()``. A script that imports
``remote_entry`` gets that call at its exit. The supervisor cannot make it: the metrics wait in the
memory of the script's own process. A script without ``remote_entry`` calls ``flush`` itself.
"""

import atexit
import os
import sys

FLUSH_SECONDS = 30


def flush_run_at_exit() -> None:
    """Have the run flushed when the interpreter ends, if the script used the SDK by then."""
    atexit.register(flush_run)


def leave_flush_to_command() -> None:
    """Take the flush back: the supervisor logs no metrics itself."""
    atexit.unregister(flush_run)


def flush_run() -> None:
    """Flush this process's run; without a run or without the SDK there is nothing to do."""
    run_module = sys.modules.get("azureml.core.run")
    if run_module is None or not os.environ.get("AZUREML_RUN_ID"):
        return
    try:
        # The SDK keeps one Run object a process, so this is the one the script logged to.
        run_module.Run.get_context(allow_offline=False).flush(timeout_seconds=FLUSH_SECONDS)
    except Exception as error:  # noqa: BLE001 (the script has done its work: only tell)
        sys.stderr.write(
            f"remote_entry: the last metrics may be lost ({type(error).__name__}); "
            "call run.flush() at the end of the script\n"
        )
