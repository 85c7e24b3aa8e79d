"""Metrics that a script logs in its last two seconds.

azureml-core 1.61 sends metrics from a background thread and does not wait for it when the
interpreter ends, so what was logged last is lost without ``run.flush()``. A script that uses
``remote_entry`` gets that call at its exit. The supervisor cannot make it: the metrics wait in the
memory of the script's own process. A script without ``remote_entry`` calls ``flush`` itself.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

FLUSH_SECONDS = 30


def flush_run_at_exit() -> None:
    """Have the run flushed when the interpreter ends, if the script used the SDK by then."""
    atexit.unregister(_flush_without_threads)
    atexit.register(_flush_without_threads)


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


def _flush_without_threads() -> None:
    """Flush at the exit, where the SDK cannot hand anything to its threads any more.

    It gives each request to a pool, and starts a timer that looks after its queue. At its exit
    CPython has ended all pools and, since 3.12, starts no thread any more. The process ends next,
    so nothing else is left that these two replacements could disturb.
    """
    replace: Any = setattr  # a type checker rightly forbids what is done here
    replace(ThreadPoolExecutor, "submit", _do_now)
    replace(threading.Timer, "start", _never)
    flush_run()


def _never(_timer: threading.Timer) -> None:
    """Stand in for starting a timer."""


def _do_now(
    _pool: ThreadPoolExecutor, function: Callable[..., Any], /, *arguments: Any, **named: Any
) -> "Future[Any]":
    """Stand in for a pool that takes no more work."""
    future: Future[Any] = Future()
    try:
        future.set_result(function(*arguments, **named))
    except Exception as error:  # noqa: BLE001 (whoever asks for the result gets it)
        future.set_exception(error)
    return future
