"""An extract's ranks as processes of this machine: started by mpirun, or one by one."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from remote_entry.extract.landing.folder import Landing
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.files import Files
from support.played_database import PASSWORD, Played

RANK = [sys.executable, str(Path(__file__).with_name("rank.py"))]
MPIRUN = [str(Path(sys.executable).with_name("mpirun")), "--oversubscribe", "--bind-to", "none"]
MAY_BE_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclass
class Job:
    """Ranks that extract, each on a node of its own: a folder.

    Attributes:
        spec: The extract.
        environ: Their variables.
        folder: Where the nodes are.
        started: What was started.
        sessions: How many the server had, whenever it was looked at.
    """

    played: Played
    spec: Spec
    folder: Path
    started: list["subprocess.Popen[str]"] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of every rank."""
        return {
            **os.environ,
            **MAY_BE_ROOT,
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "SQL_SERVER": f"localhost,{self.played.server.port}",
            "SQL_DATABASE": "train",
            "PLAYED_LOGIN": "reader",
            "PLAYED_PASSWORD": PASSWORD,
            "REMOTE_ENTRY_CLUSTER_PORT": str(free_port()),
            "REMOTE_ENTRY_CLUSTER_DEADLINE": "60",
        }

    def mpirun(self, size: int) -> None:
        """Start ranks, as Azure ML launches MPI."""
        command = list(MPIRUN)
        for rank in range(size):
            command += ["-n", "1", "-wdir", self.node(rank), *RANK, self.file, ":"]
        self.start(command[:-1], self.environ)

    def pytorch(self, size: int) -> None:
        """Start ranks, as Azure ML launches PyTorch: nobody above them."""
        place = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", **self.environ}
        for rank in range(size):
            self.start([*RANK, self.file], {**place, "RANK": str(rank)}, cwd=self.node(rank))

    def node(self, rank: int) -> str:
        """Make a node; return its folder."""
        node = self.folder / f"node-{rank}"
        node.mkdir()
        return str(node)

    @property
    def file(self) -> str:
        """The spec's."""
        path = self.folder / "extract.yml"
        path.write_text(json.dumps(self.spec.model_dump(exclude_none=True)))
        return str(path)

    def start(self, command: list[str], environ: dict[str, str], cwd: str | None = None) -> None:
        self.started.append(
            subprocess.Popen(
                command,
                env=environ,
                cwd=cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def until(self, condition: Callable[[], object]) -> None:
        """Wait, and count the server's sessions meanwhile."""
        ends = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < ends
            self.sessions.append(len(self.played.server.sessions()))
            time.sleep(0.01)

    def ended(self) -> list[tuple[int, str]]:
        """Wait for the end; return exit codes and logs."""
        self.until(lambda: all(process.poll() is not None for process in self.started))
        logs = [process.communicate()[0] for process in self.started]
        return [(process.returncode, log) for process, log in zip(self.started, logs, strict=True)]

    def finished(self) -> int:
        """Return how many partitions are read to their end."""
        if not (self.spec.folder / "00000001-1" / "_PLAN.json").exists():
            return 0
        parts = Landing(Files(self.spec.folder)).attempt("00000001-1").parts()
        return sum(part.is_last for part in parts)

    def reader(self) -> psutil.Process:
        """Return the one process that is connected to the server."""
        port = self.played.server.port
        for started in self.started:
            top = psutil.Process(started.pid)
            for process in (top, *top.children(recursive=True)):
                lines = process.net_connections("tcp")
                if any(line.raddr and line.raddr.port == port for line in lines):
                    return process
        raise AssertionError

    def contents(self) -> list[Any]:
        """Return every part of the data set: which it is, its range, and its rows."""
        landing = Landing(Files(self.spec.folder))
        found = []
        for entry in landing.log():
            for part in landing.parts(entry):
                rows = []
                if part.file:
                    path = self.spec.folder / entry.folder / part.file
                    rows = pq.read_table(path, partitioning=None).to_pylist()
                found.append([part.partition, part.index, part.lo, part.hi, part.rows, rows])
        return found

    def end(self) -> None:
        """End what is left of it."""
        for process in self.started:
            if process.poll() is None:
                for each in (*psutil.Process(process.pid).children(recursive=True), process):
                    each.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
