"""Programs with all that they start, waited for and ended as one, as a container would be."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# A program may give its children sessions of their own; these variables, which they inherit, are
# what still tells that they belong to it: the run, and its emulator's gateway, because another
# emulator of this machine may have a run of the same name.
MARKS = ("AZUREML_RUN_ID", "HTTPS_PROXY")

LOOKS = 50
SECONDS_BETWEEN_LOOKS = 0.01
KERNEL_THREADS = 2  # Linux: kthreadd, the parent of all of them


@dataclass(frozen=True)
class Program:
    """One program.

    Attributes:
        arguments: The program and its arguments.
        folder: Where it runs.
        environment: All of its variables.
        log: The file that its standard output and error are added to.
    """

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    log: Path


class ProcessGroup:
    """Programs in process groups of their own; what they start dies with them.

    Args:
        programs: What is started, all at once.
        grace: Seconds that the others have when one has failed.

    Attributes:
        failed: The number of the program that failed first; None as long as none has.
    """

    def __init__(self, programs: Sequence[Program], grace: float) -> None:
        self._mark = _mark(programs[0].environment)
        self._started = time.time() - 1  # the kernel counts in hundredths
        self._grace = grace
        self._processes: list[subprocess.Popen[bytes]] = []
        self._codes: dict[int, int] = {}
        self._asked_to_end = False
        self._changed = threading.Condition()
        self.failed: int | None = None
        try:
            for number, program in enumerate(programs):
                process = self._start(program)
                self._processes.append(process)
                threading.Thread(target=self._watch, args=(number, process), daemon=True).start()
        except BaseException:
            self._kill_everything()
            raise

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait until every program has ended, or one has failed, which ends the others.

        Args:
            seconds: How long at most; None for as long as it takes.

        Returns:
            The exit code of the one that failed first, or minus the signal that ended it; 0 if
            none failed; None if they still run.
        """
        with self._changed:
            if not self._changed.wait_for(self._is_decided, seconds):
                return None
        self.terminate(self._grace)
        with self._changed:
            self._changed.wait_for(self._have_ended)
            return 0 if self.failed is None else self._codes[self.failed]

    def terminate(self, grace: float) -> None:
        """Ask the programs to end (SIGTERM); make them (SIGKILL) after `grace` seconds."""
        with self._changed:
            if not self._asked_to_end and not self._have_ended():
                self._signal(signal.SIGTERM)
            self._asked_to_end = True
            self._changed.wait_for(self._have_ended, grace)
        self._kill_everything()

    def is_over(self) -> bool:
        """Say whether every program has ended."""
        with self._changed:
            return self._have_ended()

    def _start(self, program: Program) -> "subprocess.Popen[bytes]":
        with program.log.open("ab") as log:
            return subprocess.Popen(
                program.arguments,
                cwd=program.folder,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self, number: int, process: "subprocess.Popen[bytes]") -> None:
        code = process.wait()
        with self._changed:
            self._codes[number] = code
            if code and self.failed is None:
                self.failed = number
            self._changed.notify_all()

    def _have_ended(self) -> bool:
        return len(self._codes) == len(self._processes)

    def _is_decided(self) -> bool:
        return self.failed is not None or self._have_ended()

    def _kill_everything(self) -> None:
        self._signal(signal.SIGKILL)
        if self._mark[0] is None:
            return
        for _ in range(LOOKS):
            if not self._kill_marked():
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _kill_marked(self) -> bool:
        """Kill what inherited these programs' mark; return whether something may have been missed.

        While a process becomes another program, the kernel shows no environment of it.
        """
        missed = False
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                if _mark(environ) == self._mark:
                    process.kill()
                missed = missed or (not environ and self._may_be_ours(process))
        return missed

    def _may_be_ours(self, process: psutil.Process) -> bool:
        """Tell whether a process is younger than the programs, and none of the kernel's own."""
        is_kernels = KERNEL_THREADS in {process.pid, process.ppid()}
        return not is_kernels and process.create_time() >= self._started

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


def _mark(environ: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(environ.get(name) for name in MARKS)
