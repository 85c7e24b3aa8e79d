"""The fault matrix of following and fetching: each route that they ask, each way in which it fails.

A cell is a run of its own on one played Azure: it is followed, or its files are fetched, while one
route fails for that run. What passes by itself has to be borne without losing or repeating a byte;
what does not has to end in time, with an error that says how to come back.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote_faults import Row
from support.in_process import client_of, start_script

from submitter import SubmitterError
from submitter.backends.azureml_core import AzureMLCore
from submitter.emulator import Emulator
from submitter.runs.handle import RunHandle

LINES = [f"line {number} é" for number in range(10)]
SCRIPT = f"""\
mkdir -p outputs/deep
head -c 3000000 /dev/zero | tr '\\0' 'x' > outputs/big
echo small > outputs/deep/small
for i in $(seq 0 {len(LINES) - 1}); do echo "line $i é"; sleep 0.25; done
"""
SIDE_BY_SIDE = 12
ALWAYS = 1000
WELL = "well"
FOLLOWED = {  # route → service and pattern; RUN stands for the run's id
    "status": ("azureml.runs", "GET .*/runs/RUN$"),
    "details": ("azureml.runs", "GET .*/runs/RUN/details"),
    "list of logs": ("azureml.artifacts", "GET .*/prefix/contentinfo/.*RUN"),
    "log": ("storage", "GET .*RUN.*std_log"),
}
FETCHED = {
    "list of files": ("azureml", "GET .*RUN.*/artifacts|GET .*/artifacts/ExperimentRun/dcid.RUN$"),
    "addresses": ("azureml.artifacts", "GET .*/prefix/contentinfo/.*RUN"),
    "file": ("storage", "GET .*RUN.*outputs"),
}
PASSING: Mapping[str, Mapping[str, Any]] = {
    "is silent": {"silent": True, "times": 1},
    "answers 500": {"status": 500, "times": 2},
    "answers 503, Retry-After": {"status": 503, "headers": {"Retry-After": "1"}, "times": 2},
    "drops the connection": {"drop": True, "times": 2},
    "refuses the token (401)": {"status": 401, "times": 2},
    "is slow": {"status": None, "delay": 1.0, "times": 4},
    "cuts its answer": {"cut_body": True, "times": 2},
}
# The settings under which the cells run: seconds for one answer, seconds without any.
VARIABLES = {"SUBMITTER_TIMEOUT": "5", "SUBMITTER_FOLLOW_PATIENCE": "6"}


@dataclass(frozen=True, eq=False)
class FollowCell:
    """One fault.

    Attributes:
        verb: `follow` or `download`.
        route: What fails.
        fault: How.
        service: The emulator's service.
        match: The rule's pattern; RUN stands for the run's id.
        rule: The rest of the rule.
        expected: `well`, or a pattern of `ERROR: MESSAGE`.
        within: Seconds that it may take.
    """

    verb: str
    route: str
    fault: str
    service: str
    match: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    expected: str = WELL
    within: float = 45.0

    def __str__(self) -> str:
        return f"{self.verb}-{self.route}-{self.fault}".replace(" ", "-")


CELLS = (
    FollowCell(
        *("follow", "status", "fails for ever", *FOLLOWED["status"]),
        {"status": 500, "times": ALWAYS},
        r"\w+Error: .*Gave up following after .* Come back with: submitter runs follow",
    ),
    FollowCell(
        *("follow", "status", "refuses the token for ever", *FOLLOWED["status"]),
        {"status": 401, "times": ALWAYS},
        r"SignInError: Could not get the \w+ of .*401",
    ),
    FollowCell(
        *("download", "addresses", "refuses the token for ever", *FETCHED["addresses"]),
        {"status": 401, "times": ALWAYS},
        "SignInError: Could not find the files of .*401",
    ),
    FollowCell(
        *("download", "file", "fails for ever", *FETCHED["file"]),
        {"status": 503, "times": ALWAYS},
        r"ServiceError: Could not fetch outputs/.* goes on from where it ended",
    ),
    *(
        FollowCell("follow", route, fault, *place, rule)
        for route, place in FOLLOWED.items()
        for fault, rule in PASSING.items()
    ),
    *(
        FollowCell("download", route, fault, *place, rule)
        for route, place in FETCHED.items()
        for fault, rule in PASSING.items()
    ),
)


def run_cells(cells: Sequence[FollowCell], folder: Path) -> Iterator[Row]:
    """Run cells on one played Azure, several at the same time."""
    config = {"sql": None, "computes": {"cpu-cluster": {"max_nodes": SIDE_BY_SIDE}}}
    with (
        Emulator(config, state=folder / "state") as azure,
        client_of(azure, **VARIABLES) as workspace,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        lanes = [_Lane(azure, workspace, folder / str(number)) for number in range(len(cells))]
        yield from pool.map(_Lane.run, lanes, cells)


@dataclass(frozen=True)
class _Lane:
    """A place for one cell."""

    azure: Emulator
    workspace: Any
    folder: Path

    def run(self, cell: FollowCell) -> Row:
        """Start a run, break one thing, follow or fetch, and judge what came of it."""
        run_id = start_script(self.workspace, self.folder / "code", SCRIPT)
        act: Callable[[RunHandle], str] = {"follow": self._follow, "download": self._download}[
            cell.verb
        ]
        run = RunHandle(AzureMLCore(self.workspace).run(run_id))
        if cell.verb == "download":
            self.azure.wait_for_run(run_id)
        match = cell.match.replace("RUN", re.escape(run_id))
        rule = self.azure.faults.add(cell.service, match, **cell.rule)
        started = time.monotonic()
        try:
            got = act(run)
        except SubmitterError as error:
            got = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - started
        if rule.remaining == cell.rule["times"]:
            got += " [the fault was never met]"
        rule.remaining = 0
        ok = re.fullmatch(cell.expected, got, re.DOTALL) or (
            cell.expected != WELL and re.match(cell.expected, got, re.DOTALL)
        )
        return Row(
            f"{cell.verb}: {cell.route}",
            cell.fault,
            cell.expected,
            " ".join(got.split()),
            round(seconds, 1),
            ok=bool(ok) and seconds <= cell.within and "sig=" not in got,
        )

    def _follow(self, run: RunHandle) -> str:
        log = bytearray()
        details = run.follow(log.extend)
        if details.status != "Completed":
            return f"ended as {details.status}"
        lines = log.decode().splitlines()
        return WELL if lines == LINES else f"not the log as it was written: {lines}"

    def _download(self, run: RunHandle) -> str:
        target = self.folder / "files"
        run.download(target)
        found = {
            path.relative_to(target).as_posix(): path.stat().st_size
            for path in target.rglob("*")
            if path.is_file()
        }
        right = {"outputs/big": 3_000_000, "outputs/deep/small": 6}
        return WELL if found == right else f"not the files as they were written: {found}"
