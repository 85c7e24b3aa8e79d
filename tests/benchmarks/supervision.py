"""The supervisor: how fast it masks, how soon it shows, how much it lets through."""

import json
import os
import random
import statistics
import string
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import PYTHON, Row, check

from remote_entry.masking import Masker, StreamMasker
from submitter.emulator import Emulator

LINE = b"2026-01-01 00:00:00 epoch 17 loss 0.12345 accuracy 0.98765 {'rate': 0.001}\n"


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
    ages: dict[bytes, float] = {}
    line = b""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with supervised(code, environ, **pipe) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65536):
            stamps = (line + chunk).split(b"\r")
            line = stamps[-1]
            for stamp in stamps:  # several, where the machine had something else to do
                if len(stamp) == 20:
                    ages.setdefault(stamp, (time.monotonic_ns() - int(stamp)) / 1e9)
    seconds = list(ages.values())
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
