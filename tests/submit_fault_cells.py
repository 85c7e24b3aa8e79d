"""Each route of Azure ML that a plan or a submit takes, broken in each way.

Whatever happens, the command recovers or ends with one clear message, in bounded time, and there is
never a run that nobody was told of.
"""

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from remote_faults import Row
from support.shell import flights_emulator, project

from submitter.emulator import Emulator

SIDE_BY_SIDE = 6  # they wait most of the time
WITHIN = 60.0  # seconds: the SDK's own retries of a 503 take up to 19
PATIENCE = "6"  # seconds for an answer, so that silence is told from slowness soon
JOB = """\
command: echo done
code: code
environment: {name: NAME, image: ubuntu}
compute: cpu-cluster
"""

ROUTES = {
    "sign-in": ("entra", "POST .*/token"),
    "subscriptions": ("arm", r"GET /subscriptions$"),
    "workspace": ("arm", "GET .*/workspaces/"),
    "environment, read": ("azureml.environments", "GET .*/environments/"),
    "environment, registered": ("azureml.environments", "PUT .*/environments/"),
    "compute target": ("azureml.computes", "GET .*/computes/"),
    "experiment, read": ("azureml.runs", "GET .*/experiments/[^/]+$"),
    "experiment, made": ("azureml.runs", "POST .*/experiments/[^/]+$"),
    "last snapshot": ("azureml.snapshots", "GET .*/latest/metadata"),
    "upload addresses": ("azureml.snapshots", "POST .*/getblob"),
    "upload": ("storage", "PUT "),
    "snapshot": ("azureml.snapshots", "POST .*/snapshots/[0-9a-f-]+$"),
    "start": ("azureml.execution", "POST .*/snapshotrun"),
    "description": ("azureml.runs", "PATCH .*/runs/"),
}
FAULTS: dict[str, dict[str, object]] = {
    "500": {"status": 500},
    "503": {"status": 503},
    "401": {"status": 401},
    "connection cut": {"drop": True},
    "slow": {"status": None, "delay": 3.0},
    "silent": {"silent": True, "times": None},
}


@dataclass(frozen=True)
class Cell:
    """A route that is broken in one way.

    Attributes:
        route: Which one; see `ROUTES`.
        fault: In which way; see `FAULTS`.
        verb: The command that meets it.
    """

    route: str
    fault: str
    verb: str = "submit"

    def __str__(self) -> str:
        return f"{self.verb}: {self.route}: {self.fault}"


PLANNED = ("workspace", "environment, read", "compute target")
CELLS = (
    *(Cell(route, fault) for route in ROUTES for fault in FAULTS),
    *(Cell(route, fault, "plan") for route in PLANNED for fault in ("500", "connection cut")),
)


def run_cell(cell: Cell, azure: Emulator, folder: Path) -> Row:
    """Break a route, type the command in a new project, and count the runs."""
    shell = project(azure, folder)
    name = re.sub(r"\W+", "-", f"{cell.verb}-{cell.route}-{cell.fault}")
    (shell.folder / "code").mkdir()
    shell.write("code/a.py", name)
    shell.write("job.yml", f"experiment_name: {name}\n{JOB.replace('NAME', name)}")
    service, match = ROUTES[cell.route]
    # Nobody has looked at this workspace from a new HOME: nothing is remembered of a last snapshot.
    home = shell.folder / "home"
    home.mkdir()
    arguments = ("submit", "job.yml", "--no-wait") if cell.verb == "submit" else ("plan", "job.yml")
    azure.faults.add(service, match, **{"times": 1, **FAULTS[cell.fault]})
    started = time.monotonic()
    try:
        done = shell(*arguments, SUBMITTER_TIMEOUT=PATIENCE, HOME=str(home))
    finally:
        azure.faults.clear()
    seconds = time.monotonic() - started
    runs = [run.run_id for run in azure.runs if run.experiment == name]
    said = re.search(r"^error: (.*)", done.stderr, re.MULTILINE | re.DOTALL)
    got = " ".join(f"exit {done.returncode}: {said[1] if said else done.stdout}".split())
    ended_well = done.returncode == 0 and (cell.verb == "plan" or runs == [done.stdout.strip()])
    ended_clearly = (
        done.returncode in {3, 5}
        and re.match(r"exit \d: (\S+: )?Could not ", got) is not None
        and all(run_id in done.stderr for run_id in runs)
    )
    ok = (
        (ended_well or ended_clearly)
        and seconds <= WITHIN
        and "Traceback" not in done.stdout + done.stderr
    )
    expected = "one run, or one message"
    return Row(f"{cell.verb}: {cell.route}", cell.fault, expected, got, round(seconds, 1), ok)


def run_cells(
    cells: Sequence[Cell], folder: Path, side_by_side: int = SIDE_BY_SIDE
) -> Iterator[Row]:
    """Run cells, several at the same time: each lane of them on an emulator of its own."""

    def lane(number: int) -> list[Row]:
        home = folder / str(number)
        home.mkdir(parents=True)
        with flights_emulator(home, sql=None) as azure:
            mine = list(enumerate(cells))[number::side_by_side]
            return [run_cell(cell, azure, home / str(index)) for index, cell in mine]

    with ThreadPoolExecutor(side_by_side) as pool:
        for rows in pool.map(lane, range(side_by_side)):
            yield from rows
