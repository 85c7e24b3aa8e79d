"""Metrics that a script logs in its last two seconds.

azureml-core 1.61 sends metrics from a background thread and does not wait for it when the
interpreter ends, so what was logged last is lost without ``run.flush()``. A script that uses
``remote_entry`` gets that call at its exit. The supervisor cannot make it: the metrics wait in the
memory of the script's own process. A script without ``remote_entry`` calls ``flush`` itself.
"""

import concurrent.futures.thread  # noqa: F401 (registers its end first, so it comes after ours)
import contextlib
import os
import sys
import threading

FLUSH_SECONDS = 30


def flush_run_at_exit() -> None:
    """Have the run flushed when the main thread ends, if the script used the SDK by then.

    The flush starts thread pool tasks, which CPython refuses once concurrent.futures has ended its
    pools: that is before ``atexit``. Its own hook, private but unchanged since 3.9, runs the latest
    registration first.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        with contextlib.suppress(RuntimeError):  # the main thread has ended already
            register(flush_run)


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
