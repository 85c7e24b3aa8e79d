"""A program with all of its children, started, waited for and ended as one."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


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
        self._signal(signal.SIGKILL)
        return code

    def terminate(self, grace: float) -> None:
        """Ask the program to end (SIGTERM); make it (SIGKILL) after `grace` seconds."""
        self._signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
