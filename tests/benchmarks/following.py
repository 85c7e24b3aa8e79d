"""How old a line of a run's log is when a person sees it, by the age of the run.

One run is followed by both sides at the same time. Its clock is compressed, since five minutes are
too long for a bench: the script's pauses and both followers' clocks, and nothing else, go FACTOR
times faster. Requests take their real time, which thus counts FACTOR times, on both sides.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import PYTHON, Row, check

from submitter.emulator import Emulator

HERE = Path(__file__).parent
FACTOR = 8.0
PAUSE = 0.5  # seconds of the run between two lines
LENGTH = 300.0  # seconds of the run
AGES = {"10 s": (5.0, 20.0), "2 min": (110.0, 130.0), "5 min": (280.0, 300.0)}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
LIMIT = 2.0
# A line holds its time and its age; it begins when both sides are there.
SCRIPT = f"""\
import os, time
print('ready', flush=True)
while not os.path.exists('GO'): time.sleep(0.01)
began = time.time()
for number in range({round(LENGTH / PAUSE)}):
    time.sleep(max(0, began + number * {PAUSE / FACTOR} - time.time()))
    print('line', time.time(), (time.time() - began) * {FACTOR}, flush=True)
"""
START = """\
import sys
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
config = ScriptRunConfig("code", command=["python script.py"], compute_target="cpu-cluster",
                         environment=Environment("bench"))
print(Experiment(Workspace.from_config(), "bench").submit(config).id)
"""
THEIRS = """\
import sys
from azureml.core import Workspace
Workspace.from_config().get_run(sys.argv[1]).wait_for_completion(show_output=True)
"""


def follow() -> Iterator[Row]:
    """Our lines against those of `Run.wait_for_completion(show_output=True)`."""
    with (
        tempfile.TemporaryDirectory(prefix="submitter-bench-") as name,
        Emulator({"sql": None}) as azure,
    ):
        folder = Path(name)
        environ = {**os.environ, **azure.environ, "PYTHONUNBUFFERED": "1", "CI": "1"}
        azure.write_workspace_config(folder)
        (folder / "theirs.py").write_text(THEIRS)
        ours, theirs = _followed(folder, environ)
    for age, (first, last) in AGES.items():
        for percentile, share in SHARES.items():
            mine, other = (
                _quantile([lag for at, lag in seen if first <= at <= last], share)
                for seen in (ours, theirs)
            )
            yield Row(
                *(f"log lag at {age} of age, {percentile}", f"clock x{FACTOR:g}"),
                *("wait_for_completion", mine, "s", mine / other),
                *(f"<= {LIMIT:g} s", mine <= LIMIT),
            )


def _followed(
    folder: Path, environ: Mapping[str, str]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Start the run, follow it from both sides; return (age, lag) of each line, in its seconds."""
    (folder / "code").mkdir()
    go = folder / "go"
    (folder / "code/script.py").write_text(SCRIPT.replace("GO", str(go)))
    started = subprocess.run(
        [PYTHON, "-c", START],
        cwd=folder, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    run_id = started.stdout.splitlines()[-1]
    sides = [
        _Side(folder, environ, "-m", "submitter", "runs", "follow", run_id),
        _Side(folder, environ, "theirs.py", run_id),
    ]
    for side in sides:
        check(side.began.wait(60), "a follower did not begin")
    go.touch()
    for side in sides:
        check(side.process.wait(120) == 0, "a follower failed")
        side.reader.join()
        check(len(side.seen) == LENGTH / PAUSE, f"{len(side.seen)} lines arrived")
    return sides[0].seen, sides[1].seen


class _Side:
    """A follower in a process of its own, whose lines are stamped as they arrive."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *program: str) -> None:
        self.seen: list[tuple[float, float]] = []
        self.began = threading.Event()
        self.process = subprocess.Popen(
            [PYTHON, str(HERE / "scaled_clock.py"), str(FACTOR), *program],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.began.set()  # ours shows the log's first line, theirs the run's name
            word, *rest = line.split()[:3] or [""]
            if word == "line":
                written, age = map(float, rest)
                self.seen.append((age, (time.time() - written) * FACTOR))


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
