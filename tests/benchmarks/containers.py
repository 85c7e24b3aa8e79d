"""The image of docker/, and remote_entry in it: how soon they are there.

`make test-container` prints these rows; `make bench` has them where the image is.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import PYTHON, ROOT, Row, check, run

from submitter.emulator import Emulator

IMAGE = "localhost/submitter:latest"
STORE = ROOT / "build" / "containers"
HEAVY = ("pandas", "numpy", "pyarrow", "arrow_odbc", "azure", "azureml", "pyodbc")

# Runs in the container. Bytecode of remote_entry is written to /tmp/warm, as a run's folder would
# have it after the first import; /code is read-only and has none, as a fresh snapshot.
INSIDE = f"""
import json, os, shutil, statistics, subprocess, sys, time

def median(command, environ, count=7):
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        taken.append(time.perf_counter() - started)
        assert done.returncode == 0, done.stderr
    return statistics.median(taken), done

shutil.copytree("/code", "/tmp/warm")
timed = ("import sys, time; t = time.perf_counter(); import remote_entry; "
         "print(time.perf_counter() - t, *sorted({{n.split('.')[0] for n in sys.modules}}))")
found = {{}}
taken = []
for _ in range(8):
    printed = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True,
                             env={{**os.environ, "PYTHONPATH": "/tmp/warm"}}).stdout.split()
    taken.append(float(printed[0]))
found["import"] = statistics.median(taken[1:])
found["heavy"] = sorted(set(printed) & set({HEAVY!r}))
run = [sys.executable, "-m", "remote_entry", "run", "--", "true"]
found["start"], done = median(run, {{**os.environ, "PYTHONPATH": "/code"}})
found["secrets"] = done.stderr.count("→")
print(json.dumps(found))
"""


def containers() -> Iterator[Row]:
    """Import and start of remote_entry in a read-only container as user 10001."""
    program = shutil.which("podman")
    os.environ.setdefault("CONTAINERS_CONF", str(STORE / "containers.conf"))
    os.environ.setdefault("CONTAINERS_STORAGE_CONF", str(STORE / "storage.conf"))
    if program is None or not _is_here(program):
        return
    secrets = {f"secret-{number}": f"value-{number}" for number in range(3)}
    vault = "https://kv-bench.vault.azure.net"
    with Emulator({"vaults": {"kv-bench": secrets}}) as azure, tempfile.TemporaryDirectory() as at:
        code = Path(at) / "remote_entry"
        shutil.copytree(ROOT / "remote_entry", code, ignore=shutil.ignore_patterns("__pycache__"))
        Path(at).chmod(0o755)
        names = {f"AZURE_SECRET_{number}": name for number, name in enumerate(secrets)}
        given = {**azure.environ, **names, "KEY_VAULT_URL": vault}
        del given["HOME"]
        authority = given["SSL_CERT_FILE"]
        done = subprocess.run(
            [
                *(program, "run", "--rm", "--pull", "never", "--read-only", "--tmpfs=/tmp"),
                *("--network", "host", "--cap-drop", "ALL", "--log-driver", "none"),
                *("--volume", f"{at}:/code:ro", "--volume", f"{authority}:{authority}:ro"),
                *("--env", "HOME=/tmp"),
                *(word for name in given for word in ("--env", name)),
                *(IMAGE, "python", "-c", INSIDE),
            ],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )
        check(done.returncode == 0, done.stderr)
    found = json.loads(done.stdout)
    yield from unchanged()
    check(found["secrets"] == len(secrets), f"{found['secrets']} secrets were resolved")
    title = "remote_entry in docker/"
    light = found["import"] <= 0.15 and not found["heavy"]
    loaded = ", ".join(found["heavy"]) or "nothing heavy"
    yield Row(title, f"import, {loaded}", "", found["import"], "s", None, "<= 0.15 s", light)
    yield Row(
        *(title, "run -- true", "", found["start"], "s", None, "<= 1 s, 3 secrets"),
        found["start"] <= 1,
    )


def unchanged() -> Iterator[Row]:
    """To find that there is nothing to build."""
    command = [PYTHON, str(ROOT / ".ci/image.py"), "--base", "machine"]
    run(command)
    started = time.perf_counter()
    run(command)
    seconds = time.perf_counter() - started
    yield Row("make image", "unchanged inputs", "", seconds, "s", None, "<= 2 s", seconds <= 2)


def _is_here(program: str) -> bool:
    return subprocess.run([program, "image", "exists", IMAGE], check=False).returncode == 0


if __name__ == "__main__":
    for row in containers():
        print(
            f"{'ok  ' if row.met else 'MISS'} {row.bench}: {row.subject} {row.value:.3f} {row.unit}"
            f" (goal {row.goal})"
        )
