"""Bench: a project of 1,000 files and 200 MB, from the command to the run's id."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import PYTHON, Row, run, side_by_side

from submitter.emulator import Emulator

FILES, SIZE = 1000, 200_000  # bytes each
LATENCY = 0.08  # seconds added to each request
JOB = """\
experiment_name: upload
command: echo
code: code
environment: azureml:upload@latest
compute: cpu-cluster
"""
BARE = """\
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
w = Workspace.from_config()
e = Environment.get(w, 'upload')
c = ScriptRunConfig('code', command=['echo'], compute_target='cpu-cluster', environment=e)
print(Experiment(w, 'upload').submit(c).id)
"""
REGISTER = """\
from azureml.core import Environment, Workspace
Environment('upload').register(Workspace.from_config())
"""
# A small program between: a child counts the memory of what it was forked from as its own.
PEAK = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass
class Project:
    """A project that one way of submitting has for itself, with a HOME of its own.

    Attributes:
        azure: The emulator.
        folder: Holds the job file and the code.
        command: What submits it.
    """

    azure: Emulator
    folder: Path
    command: list[str]

    def lay_out(self, files: int, size: int) -> None:
        """Write the project."""
        for number in range(files):
            path = self.folder / f"code/{number % 20}/{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
        (self.folder / "home").mkdir()
        (self.folder / "job.yml").write_text(JOB)
        self.azure.write_workspace_config(self.folder)

    def submit(self) -> None:
        """Submit to the run's id."""
        run(self.command, self.folder, self._environ)

    def submit_changed(self) -> None:
        """Change one file and submit."""
        (self.folder / "code/7/7.bin").write_bytes(os.urandom(SIZE))
        self.submit()

    def peak(self) -> float:
        """Submit with one file changed; return the largest memory in MB."""
        (self.folder / "code/7/7.bin").write_bytes(os.urandom(SIZE))
        printed = run([PYTHON, "-c", PEAK, *self.command], self.folder, self._environ)
        return int(printed.split()[-1]) / 1000

    def uploads(self, submit: Callable[[], object]) -> int:
        """Count the files that are sent meanwhile."""
        before = len(self.azure.requests)
        submit()
        return sum(
            record.method == "PUT" and "/snapshots/" in record.path
            for record in self.azure.requests[before:]
        )

    @property
    def _environ(self) -> Mapping[str, str]:
        return {**os.environ, **self.azure.environ, "HOME": str(self.folder / "home")}


def upload() -> Iterator[Row]:
    """Everything new, one file new, and two projects in turn, against the bare SDK."""
    names = ("submitter submit", "bare azureml-core")
    with tempfile.TemporaryDirectory(prefix="submitter-bench-") as name, Emulator() as azure:
        azure.write_workspace_config(name)
        environ = {**os.environ, **azure.environ}
        subprocess.run([PYTHON, "-c", REGISTER], cwd=name, env=environ, check=True)
        ours = Project(
            azure, Path(name, "ours"), [PYTHON, "-m", "submitter", "submit", "job.yml", "--no-wait"]
        )
        bare = Project(azure, Path(name, "bare"), [PYTHON, "-c", BARE])
        for project in (ours, bare):
            project.lay_out(FILES, SIZE)
        azure.latency = LATENCY
        # Once each: it takes long. remote_entry's own files are 6 % more files.
        mine, peer = seconds(ours.submit), seconds(bare.submit)
        title = f"{FILES:,} files, {FILES * SIZE / 1e6:.0f} MB"
        yield Row(
            *(f"{title}, all new", *names, mine, "s"),
            *(mine / peer, "<= 1.25 times", mine / peer <= 1.25),
        )

        mine, peer = side_by_side(ours.submit_changed, bare.submit_changed)
        yield Row(
            *(f"{title}, one new", *names, mine, "s"),
            *(mine / peer, "<= 1.1 times", mine / peer <= 1.1),
        )
        azure.latency = 0
        mine, peer = ours.peak(), bare.peak()
        yield Row(
            *(f"{title}, memory", *names, mine, "MB"),
            *(mine / peer, "<= 1.25 times", mine / peer <= 1.25),
        )
        counts = [in_turn(project) for project in (ours, bare)]
        yield Row(
            *("two projects in turn", *names, counts[0], "files"),
            *(counts[0] / counts[1], "0 files", counts[0] == 0),
        )


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(first: Project) -> int:
    """Submit an unchanged project after another one; return how many files are sent."""
    second = Project(first.azure, first.folder / "second", first.command)
    second.lay_out(50, 1000)
    (second.folder / "home").rmdir()
    (second.folder / "home").symlink_to(first.folder / "home")
    second.submit()
    return first.uploads(first.submit)


if __name__ == "__main__":
    for row in upload():
        print(row)
