"""An extract in worker processes, in a process that nothing else is in.

The played server is in pytest's own process, whose threads hold a lock of OpenSSL's now and then:
in a fork of that process a worker would wait for it for ever.
"""

import os
import resource
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.processes import Processes
from support.played_database import reach


@dataclass(frozen=True)
class Asked:
    """What is to be done.

    Attributes:
        spec: The extract.
        port: The server's.
        authority: The certificate that the drivers trust.
        workers: How many.
        killed: Who is killed as soon as rows are written.
        file_bytes: How large a file of a worker may become; None for no limit.
    """

    spec: Spec
    port: int
    authority: Path
    workers: int
    killed: Literal["nobody", "one", "all"] = "nobody"
    file_bytes: int | None = None


@dataclass(frozen=True)
class Told:
    """What became of it.

    Attributes:
        warnings: What was met and overcome.
        error: What ended it.
    """

    warnings: list[str]
    error: Exception | None = None


def land_in_workers(asked: Asked, line: Connection) -> None:
    """Do it, and tell."""
    os.environ["SSL_CERT_FILE"] = str(asked.authority)
    told, victims = Told([]), {"nobody": 0, "one": 1, "all": asked.workers}[asked.killed]
    killed: list[int] = []

    def open_source() -> SqlServer:
        if asked.file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked.file_bytes, asked.file_bytes))
        return SqlServer(reach(asked.port, []), batch_rows=250)

    def kill(workers: Processes) -> None:
        while len(killed) < victims:
            killed.append(workers.pids[len(killed)])
            os.kill(killed[-1], signal.SIGKILL)

    with Processes(asked.workers, open_source) as workers:
        watch = Watch(lambda *_: None, lambda *_: kill(workers), told.warnings.append)
        try:
            extract(asked.spec, SqlServer(reach(asked.port, [])), watch, workers=workers)
        except Exception as error:  # noqa: BLE001 - the test raises it
            told = Told(told.warnings, error)
    line.send(told)
