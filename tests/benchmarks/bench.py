"""`make bench`: measure against peers, side by side in one run.

Prints a table and writes build/bench.json; ends with an error if a row misses its goal. Times are
medians; on a noisy machine only the ratios mean something.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from containers import containers
from extracting import extracting
from following import follow
from measure import PYTHON, ROOT, Row, check, run, side_by_side
from reading import read, stream
from supervision import mask, supervise
from uploading import upload
from vault_reads import fifty_secrets

from submitter.emulator import Emulator

JOURNEY = Path(__file__).parent / "journey"
LATENCY = 0.08  # seconds added to each request: a laptop's way to a region nearby


def start() -> Iterator[Row]:
    """`submitter --help` is instant."""
    ours, peer = side_by_side(
        lambda: run([PYTHON, "-m", "submitter", "--help"]),
        lambda: run([PYTHON, "-c", "import azureml.core"]),
    )
    yield Row(
        *("start", "submitter --help", "import azureml.core"),
        *(ours, "s", ours / peer, "<= 0.3 s", ours <= 0.3),
    )


def submit() -> Iterator[Row]:
    """From the command to the run's id, against the shortest honest azureml-core script."""
    with journey("sql: null\n") as (azure, folder, environ):
        job = (folder / "ours/job.yml").read_text().split("environment_variables:")[0]
        (folder / "ours/job.yml").write_text(job.replace("python train.py", "echo"))
        bare = (
            "from azureml.core import Workspace, Environment, Experiment, ScriptRunConfig\n"
            "w = Workspace.from_config()\n"
            "e = Environment.get(w, 'journey')\n"
            "c = ScriptRunConfig('ours', command=['echo'], compute_target='cpu-cluster', "
            "environment=e)\n"
            "print(Experiment(w, 'journey').submit(c).id)\n"
        )
        command = [PYTHON, "-m", "submitter", "submit", "ours/job.yml", "--no-wait"]
        # The SDK remembers one snapshot a HOME: with one for both, each would undo the other's.
        bare_environ = {**environ, "HOME": str(folder / "home")}
        (folder / "home").mkdir()

        def submit_ours() -> str:
            return run(command, folder, environ)

        def submit_bare() -> str:
            return run([PYTHON, "-c", bare], folder, bare_environ)

        submit_ours()  # registers the environment, fills the caches
        submit_bare()
        azure.latency = LATENCY
        ours, peer = side_by_side(submit_ours, submit_bare)
        before = len(azure.requests)
        submit_ours()
        requests = len(azure.requests) - before
        before = len(azure.requests)
        submit_bare()
        bare_requests = len(azure.requests) - before
    yield Row(
        *("submit to run id", "submitter submit", "bare azureml-core"),
        *(ours, "s", ours / peer, "<= 1.0 times", ours / peer <= 1.0),
    )
    yield Row(
        *("submit to run id", "submitter submit", "bare azureml-core"),
        *(requests, "requests", requests / bare_requests, "fewer"),
        requests < bare_requests,
    )


def tutorial() -> Iterator[Row]:
    """The tutorial's journey takes at most two commands and 20 lines of one's own."""
    config = (ROOT / "submitter/templates/flights/emulator.yml").read_text()
    with journey(config) as (_, folder, signed_in):
        environ = {**signed_in, "DB_USER": "flights_reader", "DB_PWD": "p;{w}@d 1%"}
        secrets = ["sql-username=DB_USER", "sql-password=DB_PWD"]
        secrets += ["training-client-secret=AZURE_CLIENT_SECRET"]
        commands = [["secret", "set-many", *secrets], ["submit", "ours/job.yml"]]
        started = time.monotonic()
        for command in commands:
            printed = run([PYTHON, "-m", "submitter", *command], folder, environ)
        ours_seconds = time.monotonic() - started
        check("flights: 336776" in printed, printed)
        started = time.monotonic()
        for script in ("register.py", "set_secrets.py", "submit.py"):
            printed = run([PYTHON, script], folder / "plain", environ)
        plain_seconds = time.monotonic() - started
        check("flights: 336776" in printed, printed)
    ours, plain = lines_in(JOURNEY / "ours"), lines_in(JOURNEY / "plain")
    title = "the tutorial's journey"
    yield Row(title, "ours", "SDKs alone", ours, "lines", ours / plain, "<= 20", ours <= 20)
    count = len(commands)
    yield Row(title, "ours", "SDKs alone", count, "commands", count / 3, "<= 2", count <= 2)
    ratio = ours_seconds / plain_seconds
    yield Row(title, "ours", "SDKs alone", ours_seconds, "s", ratio, "<= 1.5 times", ratio <= 1.5)


@contextmanager
def journey(config: str) -> Iterator[tuple[Emulator, Path, Mapping[str, str]]]:
    """Make a folder with both ways of the journey, and an emulator to go them on."""
    with tempfile.TemporaryDirectory(prefix="submitter-bench-") as name:
        folder = Path(name)
        shutil.copytree(JOURNEY, folder, dirs_exist_ok=True)
        for way in ("ours", "plain"):
            shutil.copytree(ROOT / "docker", folder / way / "docker")
        (folder / "emulator.yml").write_text(config)
        with Emulator(folder / "emulator.yml") as azure:
            azure.write_workspace_config(folder)
            yield azure, folder, {**os.environ, **azure.environ}


def lines_in(folder: Path) -> int:
    """Count the lines of a folder's files, without blank ones and comments."""
    return sum(
        bool(line.strip()) and not line.strip().startswith("#")
        for path in folder.iterdir()
        if path.is_file()
        for line in path.read_text().splitlines()
    )


def main() -> None:
    """Measure everything, print the table, write build/bench.json."""
    rows = []
    for bench in (
        start,
        mask,
        supervise,
        fifty_secrets,
        submit,
        upload,
        follow,
        tutorial,
        read,
        stream,
        extracting,
        containers,
    ):
        for row in bench():
            rows.append(row)
            ratio = f"{row.ratio:6.2f} x {row.peer}" if row.ratio is not None else ""
            mark = "ok  " if row.met else "MISS"
            print(
                f"{mark} {row.bench:24} {row.subject:18} {row.value:9.2f} {row.unit:9} "
                f"{ratio:30} goal {row.goal}",
                flush=True,
            )
    (ROOT / "build").mkdir(exist_ok=True)
    content = json.dumps([asdict(row) for row in rows], indent=2)
    (ROOT / "build/bench.json").write_text(content + "\n", encoding="utf-8")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(f"largest process: {peak:.0f} MB")
    if not all(row.met for row in rows):
        sys.exit("bench: a goal was missed")


if __name__ == "__main__":
    main()
