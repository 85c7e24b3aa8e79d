"""A program with all that it starts, waited for and ended as one, as a container would be."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

# A program may give its children sessions of their own; this variable, which they inherit, is what
# still tells that they belong to it.
MARK = "AZUREML_RUN_ID"

LOOKS = 50
SECONDS_BETWEEN_LOOKS = 0.01
KERNEL_THREADS = 2  # Linux: kthreadd, the parent of all of them


class ProcessGroup:
    """A program in a process group of its own; what it starts dies with it.

    Args:
        arguments: The program and its arguments.
        folder: Where it runs.
        environment: All of its variables.
        output: Where its standard output and error go.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: IO[bytes],
    ) -> None:
        self._mark = environment.get(MARK)
        self._started = time.time() - 1  # the kernel counts in hundredths
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the program's end.

        Args:
            seconds: How long at most; None for as long as it takes.

        Returns:
            Its exit code, or minus the signal that ended it; None if it still runs.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._kill_everything()
        return code

    def terminate(self, grace: float) -> None:
        """Ask the program to end (SIGTERM); make it (SIGKILL) after `grace` seconds."""
        self._signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self._kill_everything()

    def _kill_everything(self) -> None:
        self._signal(signal.SIGKILL)
        if self._mark is None:
            return
        for _ in range(LOOKS):
            if not self._kill_marked():
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _kill_marked(self) -> bool:
        """Kill what inherited this program's mark; return whether something may have been missed.

        While a process becomes another program, the kernel shows no environment of it.
        """
        missed = False
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                if environ.get(MARK) == self._mark:
                    process.kill()
                missed = missed or (not environ and self._may_be_ours(process))
        return missed

    def _may_be_ours(self, process: psutil.Process) -> bool:
        """Tell whether a process is younger than the program, and none of the kernel's own."""
        is_kernels = KERNEL_THREADS in {process.pid, process.ppid()}
        return not is_kernels and process.create_time() >= self._started

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
