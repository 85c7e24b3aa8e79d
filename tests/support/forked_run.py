"""Processes that are forked from a server which has imported the SDKs already.

Sixty imports would take longer than what such a process is started for.
"""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

import psutil

NOTHING = Path(os.devnull)


class ForkedRun:
    """A process that calls a function.

    Args:
        target: What it calls; a function of a module.
        arguments: With what.
    """

    def __init__(self, target: Callable[..., object], *arguments: object) -> None:
        self._process = _CONTEXT.Process(target=target, args=arguments)
        # To start a process, multiprocessing looks after all others: of two threads that read one
        # exit code, one finds nothing and takes it for 255.
        with _ONE_AT_A_TIME:
            self._process.start()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def has_ended(self, within: float = 0.0) -> bool:
        """Wait so many seconds at most, and tell whether it is over."""
        return bool(wait([self._process.sentinel], within))

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal, unless it is over."""
        if not self.has_ended():
            os.kill(self.pid, signum)

    def end(self, within: float) -> int | None:
        """Return its exit code, or None for one that had to be killed."""
        ended = self.has_ended(within)
        if not ended:
            self._tell_where_it_hangs()
        with _ONE_AT_A_TIME:
            if not ended:
                self._process.kill()
            self._process.join()
            return self._process.exitcode if ended else None

    def _tell_where_it_hangs(self) -> None:
        """Have it and its children print what they are at."""
        process = psutil.Process(self.pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                each.send_signal(signal.SIGUSR1)
        self.has_ended(within=1.0)


def start_the_server() -> None:
    """Have the forking server import the SDKs now, and not in the first run's time."""
    ForkedRun(os.getpid).end(60)


def begin(
    environ: Mapping[str, str], output: Path, errors: Path | None = None, typed: Path = NOTHING
) -> None:
    """Be a process of one's own: other variables, and files as standard streams.

    Args:
        environ: The variables.
        output: What it prints.
        errors: What it prints of errors; among the rest if left out.
        typed: What it reads.
    """
    os.environ.clear()
    os.environ.update(environ)
    multiprocessing.set_start_method(None, force=True)  # not the server's way, but the platform's
    new = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
    for number, file in enumerate((typed, output, errors or output)):
        os.dup2(os.open(file, new if number else os.O_RDONLY, 0o600), number)
    faulthandler.register(signal.SIGUSR1, file=2)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
        for number, mode in enumerate(("r", "w", "w"))
    )


def be_remote_entry(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    output: Path,
    first: Callable[[], object] | None,
) -> None:
    """Be ``python -m remote_entry``.

    Args:
        arguments: Its command line.
        environ: Its variables.
        folder: Its working directory.
        output: The file that it prints to.
        first: What happens to the process before.
    """
    begin(environ, output)
    os.chdir(folder)
    from remote_entry.__main__ import program

    if first is not None:
        first()
    program(list(arguments))


def run_submitter(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Carry a ``submitter`` command out.

    Args:
        arguments: Its command line.
        environ: Its variables.
        folder: Its working directory.
        typed: Its standard input.
    """
    with tempfile.TemporaryDirectory() as made:
        streams = Path(made)
        (streams / "0").write_text(typed, encoding="utf-8")
        code = ForkedRun(be_submitter, arguments, environ, folder, streams).end(_SUBMITTER_SECONDS)
        printed = [(streams / name).read_text(encoding="utf-8") for name in "12"]
    if code is None:
        raise subprocess.TimeoutExpired(["submitter", *arguments], _SUBMITTER_SECONDS, *printed)
    return subprocess.CompletedProcess(["submitter", *arguments], code, *printed)


def be_submitter(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, streams: Path
) -> None:
    """Be ``submitter``, with files as its standard streams: ``0``, ``1`` and ``2`` of a folder."""
    begin(environ, streams / "1", streams / "2", streams / "0")
    os.chdir(folder)
    sys.argv = ["submitter", *arguments]
    from submitter.cli import run

    run()


_SUBMITTER_SECONDS = 120.0
_ONE_AT_A_TIME = threading.Lock()
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "azure.identity",
        "azure.keyvault.secrets",
        "azureml.core",
        "pandas",
        "pyodbc",
        "remote_entry.check",
        "remote_entry.extract.command",
        "remote_entry.reading.frames",
        "remote_entry.reading.over_arrow_odbc",
        "remote_entry.sql.database",
        "sqlalchemy.dialects.mssql",
        "submitter.cli",
        "support.forked_run",
    ]
)
