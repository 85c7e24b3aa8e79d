"""`make bench`: measure against peers, side by side in one run.

Prints a table and writes build/bench.json; ends with an error if a row misses its goal. Times are
medians; on a noisy machine only the ratios mean something.
"""

import json
import os
import random
import resource
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from remote_entry.masking import Masker, StreamMasker
from submitter.emulator import Emulator

ROOT = Path(__file__).parents[2]
JOURNEY = Path(__file__).parent / "journey"
LATENCY = 0.08  # seconds added to each request: a laptop's way to a region nearby
ROUNDS = 5
PYTHON = sys.executable
LINE = b"2026-01-01 00:00:00 epoch 17 loss 0.12345 accuracy 0.98765 {'rate': 0.001}\n"


@dataclass(frozen=True)
class Row:
    """One measurement; the columns of build/bench.json.

    Attributes:
        bench: What was measured.
        subject: What it was measured on.
        peer: What stands beside it; empty for none.
        value: The subject's figure.
        unit: Its unit.
        ratio: The subject's figure divided by the peer's, or None.
        goal: What had to hold, in words.
        met: Whether it did.
    """

    bench: str
    subject: str
    peer: str
    value: float
    unit: str
    ratio: float | None
    goal: str
    met: bool


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
        *(ours, "s", ours / peer, "<= 1.5 times", ours / peer <= 1.5),
    )
    yield Row(
        *("submit to run id", "submitter submit", "bare azureml-core"),
        *(requests, "requests", requests / bare_requests, "<= 1.5 times"),
        requests / bare_requests <= 1.5,
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


def read() -> Iterator[Row]:
    """`read_frame` of 336,776 rows, against pandas.read_sql on the same engine."""
    query = "SELECT * FROM dbo.flights"
    setup = "from remote_entry import connect, read_frame\nimport pandas as pd, time, resource\n"
    measure = (
        "engine = connect()\nt = time.perf_counter()\nframe = {call}\n"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "
        "len(frame))"
    )
    calls = (f"read_frame({query!r})", f"pd.read_sql({query!r}, engine)")
    programs = [setup + measure.format(call=call) for call in calls]
    variables = {
        "AZURE_SECRET_1": "sql-username",
        "AZURE_SECRET_2": "sql-password",
        "SQL_DATABASE": "flights",
    }
    with Emulator(ROOT / "submitter/templates/flights/emulator.yml") as azure:
        environ = {**os.environ, **azure.environ, **variables}
        results: tuple[list[list[float]], list[list[float]]] = ([], [])
        for _ in range(3):
            for program, into in zip(programs, results, strict=True):
                printed = run([PYTHON, "-c", program], environ=environ)
                into.append([float(word) for word in printed.split()])
    check(all(row[2] == 336_776 for rows in results for row in rows), "rows are missing")
    ours, peer = ([statistics.median(column) for column in zip(*rows)] for rows in results)  # noqa: B905
    for index, unit, scale in ((0, "s", 1.0), (1, "MB peak", 1e-3)):
        ratio = ours[index] / peer[index]
        yield Row(
            *("read 336,776 rows x 19", "read_frame", "pandas.read_sql"),
            *(ours[index] * scale, unit, ratio, "<= 1.3 times", ratio <= 1.3),
        )


def mask() -> Iterator[Row]:
    """Masking a log keeps up with any script's output, in one thread."""
    for count in (10, 2):
        masker = Masker(random_secrets(count))
        for name, log in (("a log of one line", LINE * 800), ("a log of all sorts", mixed_log())):
            chunks = [log[start : start + 65536] for start in range(0, len(log), 65536)]
            stream = StreamMasker(masker)
            total = 0
            started = time.perf_counter()
            while time.perf_counter() - started < 1:
                total += sum(len(stream.feed(chunk)) for chunk in chunks)
            speed = total / 1e6 / (time.perf_counter() - started)
            yield Row(
                *(f"mask {name}", f"{count} secrets", "", speed, "MB/s", None),
                *(">= 100 MB/s", speed >= 100),
            )


def supervise() -> Iterator[Row]:
    """Through a real `remote_entry run` with ten secrets: output is live, and flows."""
    secrets = {f"secret-{number}": value for number, value in enumerate(random_secrets(10))}
    with Emulator({"vaults": {"kv-bench": secrets}}) as azure:
        names = {f"AZURE_SECRET_{number}": name for number, name in enumerate(secrets)}
        url = "https://kv-bench.vault.azure.net"
        environ = {**os.environ, **azure.environ, "KEY_VAULT_URL": url, **names}
        yield from live(environ)
        yield from flow(environ)


def live(environ: Mapping[str, str]) -> Iterator[Row]:
    """How old a time stamp is, that ends a line without a newline, when it is there whole."""
    code = (
        "import os, time\n"
        "for _ in range(80):\n"
        "    os.write(1, b'\\r%020d' % time.monotonic_ns())\n"
        "    time.sleep(0.06)\n"
    )
    seconds = []
    line = b""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with supervised(code, environ, **pipe) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65536):
            line = (line + chunk).rpartition(b"\r")[2]
            if len(line) == 20:
                seconds.append((time.monotonic_ns() - int(line)) / 1e9)
    check(len(seconds) == 80, f"{len(seconds)} of 80 time stamps arrived whole")
    for name, value in (("median", statistics.median(seconds)), ("p95", sorted(seconds)[75])):
        yield Row(
            *(
                "age of a progress bar",
                name,
                "",
                value * 1000,
                "ms",
                None,
                "<= 50 ms",
                value <= 0.05,
            )
        )


def flow(environ: Mapping[str, str]) -> Iterator[Row]:
    """A gigabyte on each stream, at the same time."""
    code = (
        "import os, sys, threading\n"
        "log = open(sys.argv[1], 'rb').read()\n"
        "def write(descriptor):\n"
        "    for _ in range(1_000_000_000 // len(log)):\n"
        "        rest = memoryview(log)\n"
        "        while rest: rest = rest[os.write(descriptor, rest):]\n"
        "other = threading.Thread(target=write, args=(2,))\n"
        "other.start(); write(1); other.join()\n"
        "status = open(f'/proc/{os.getppid()}/status').read()\n"
        "open(sys.argv[1], 'w').write(status.partition('VmHWM:')[2].split()[0])\n"
    )
    with tempfile.NamedTemporaryFile(prefix="submitter-bench-") as log:
        log.write(mixed_log())
        log.flush()
        started = time.perf_counter()
        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with supervised(code, environ, log.name, **nowhere) as process:
            check(process.wait() == 0, f"the command ended with {process.returncode}")
        speed = 2000 / (time.perf_counter() - started)
        peak = int(Path(log.name).read_text()) / 1000
    title = "1 GB on both streams"
    yield Row(title, "10 secrets", "", speed, "MB/s", None, ">= 100 MB/s", speed >= 100)
    yield Row(title, "10 secrets", "", peak, "MB peak", None, "<= 100 MB", peak <= 100)


def supervised(
    code: str, environ: Mapping[str, str], *arguments: str, **streams: int
) -> "subprocess.Popen[bytes]":
    """Start Python code under `remote_entry run`."""
    command = [PYTHON, "-m", "remote_entry", "run", "--", PYTHON, "-c", code, *arguments]
    return subprocess.Popen(command, env=dict(environ), **streams)


def random_secrets(count: int) -> list[str]:
    """Return secrets of 20 printable characters, the same ones in each run."""
    letters = random.Random(0)  # noqa: S311 - repeatable, not secret
    return ["".join(letters.choices(string.printable[:94], k=20)) for _ in range(count)]


def mixed_log() -> bytes:
    """Return a megabyte of lines with words, paths, numbers, ids and JSON; all letters occur."""
    dice = random.Random(1)  # noqa: S311 - repeatable, not secret
    words = (  # noqa: SIM905 - a list would take twenty lines
        "Loading data from Azure SQL Database KeyError Q1 Xgboost Zero Vocabulary ~/.cache ^C `ls` "
        "GET https://x.example/a?b=C&d=%20 200 OK HTTP/1.1 /usr/lib/python3.11/sklearn/Model.py"
    ).split()
    lines = [
        f"2026-01-01T00:{dice.randint(0, 59):02}:{dice.random() * 60:06.3f}Z "
        f"{dice.choice(['INFO', 'DEBUG', 'WARNING'])} [{dice.choice(words)}] "
        f"{' '.join(dice.choices(words, k=8))} {dice.randbytes(16).hex()} "
        f"{json.dumps({'loss': dice.random()})}\n"
        for _ in range(5000)
    ]
    return "".join(lines).encode()


def side_by_side(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    """Run two things in turn; return the median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, into in zip((ours, peer), times, strict=True):
            started = time.perf_counter()
            call()
            into.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


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


def run(
    command: list[str], folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end; return its standard output."""
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    check(done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stderr}")
    return done.stdout


def check(holds: object, otherwise: str) -> None:
    """End the bench with an error unless something holds."""
    if not holds:
        sys.exit(f"bench: {otherwise}")


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
    for bench in (start, mask, supervise, submit, tutorial, read):
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
