"""Runs in containers: what they may, what they see, and that they end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.shell import Shell

IMAGE = "localhost/submitter:latest"
STORE = Path(__file__).parents[2] / "build" / "containers"
CANARY = "canary-51c0de"

EVERY_DRIVER = """\
import arrow_odbc, mssql_python, os, pyodbc
from remote_entry import get_secret, read_frame
user, password = (get_secret(name).value for name in ("sql-username", "sql-password"))
braced = "{" + password.replace("}", "}}") + "}"
base = f"Server={os.environ['SQL_SERVER']};Database=flights;UID={user};PWD={braced};Encrypt=yes;"
query = "SELECT COUNT(*) AS n FROM dbo.flights"
print("drivers", pyodbc.drivers())
for name in pyodbc.drivers():
    odbc = f"Driver={{{name}}};{base}"
    print("pyodbc", name, pyodbc.connect(odbc).execute(query).fetchval())
    batches = arrow_odbc.read_arrow_batches_from_odbc(query, odbc)
    print("arrow-odbc", name, next(iter(batches))["n"][0])
print("mssql-python", mssql_python.connect(base).cursor().execute(query).fetchone()[0])
print("remote_entry", len(read_frame("SELECT * FROM dbo.flights")))
"""
SURROUNDINGS = """\
import json, os, pathlib
def refused(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as error:
        return error.strerror
def first(*paths):
    return next(p.read_text().strip() for p in map(pathlib.Path, paths) if p.exists())
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found = {
    "ids": [os.getuid(), os.getgid()],
    "root": [refused("/x"), refused("/usr/x"), refused("/opt/venv/x")],
    "writable": [refused("/tmp/x"), refused("x"), refused("outputs/x"), refused("logs/x")],
    "capabilities": [status[f"Cap{kind}"].strip() for kind in ("Prm", "Eff", "Bnd")],
    "no new privileges": status["NoNewPrivs"].strip(),
    "memory": first("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "pids": first("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
}
print(json.dumps(found))
"""
PLAIN = 'import json, os, sys\nprint("VARIABLES", json.dumps(dict(os.environ)))\n'
# What podman and the shell that starts the program add of their own.
OF_THE_CONTAINER = {"HOSTNAME", "TERM", "container", "SHLVL", "PWD", "OLDPWD", "_", "PATH", "HOME"}


def direct(shell: Shell, script: str, target: str = "cpu-cluster", settings: str = "") -> None:
    """Let the job be a bare script, without secrets and supervision."""
    shell.write("train.py", script)
    shell.write(
        "job.yml",
        "experiment_name: flight-delays\ncommand: python train.py\ncode: .\n"
        f"environment: {{name: flights, image: ubuntu}}\ncompute: {target}\n{settings}",
    )


def test_every_driver_logs_in_to_the_sql_server(shell: Shell) -> None:
    """With TLS, the vault's secrets and every name that the driver manager knows."""
    shell.write("train.py", EVERY_DRIVER)
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    name = "ODBC Driver 18 for SQL Server"
    assert f"drivers ['{name}']" in done.stdout
    for driver in (f"pyodbc {name}", f"arrow-odbc {name}", "mssql-python", "remote_entry"):
        assert f"{driver} 4\n" in done.stdout


def test_a_run_may_write_to_its_folder_and_tmp_only(shell: Shell) -> None:
    """As user 10001, without capabilities, bounded in memory and processes."""
    direct(shell, SURROUNDINGS)
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(next(line for line in done.stdout.splitlines() if line[:1] == "{"))
    assert found == {
        "ids": [10001, 10001],
        "root": ["Read-only file system"] * 3,
        "writable": [None] * 4,
        "capabilities": ["0000000000000000"] * 3,
        "no new privileges": "1",
        "memory": str(1 << 30),
        "pids": "1024",
    }
    shell("runs", "download", shell.azure.runs[-1].run_id, "left")
    assert (shell.folder / "left/outputs/x").read_text() == "x"


def test_a_container_has_the_variables_of_a_process(shell: Shell) -> None:
    """Values with quotes and line ends as well; of HOME and PATH it has its own."""
    wild = "a 'b' \"c\" $HOME `id` \\\\ ; \n second line"
    settings = "environment_variables:\n  WILD: " + json.dumps(wild) + "\n"
    seen = {}
    for target in ("processes", "cpu-cluster"):
        direct(shell, PLAIN, target, settings)
        done = shell("submit", "job.yml", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        log = shell("runs", "logs", json.loads(done.stdout)["id"]).stdout
        [line] = [line for line in log.splitlines() if line.startswith("VARIABLES")]
        seen[target] = json.loads(line.removeprefix("VARIABLES "))
    process, container = seen["processes"], seen["cpu-cluster"]
    assert process["WILD"] == container["WILD"] == wild
    assert set(process) - OF_THE_CONTAINER - {"LC_CTYPE"} == set(container) - OF_THE_CONTAINER


def test_no_credential_is_in_view_while_a_run_runs(
    shell: Shell, podman: Callable[..., str]
) -> None:
    """Not in `podman inspect`, on no command line, in no file of the store but the run's own."""
    waiting = "import os, time\nprint('up', os.environ['PLAIN'][:6], flush=True)\ntime.sleep(600)\n"
    shell.write("train.py", waiting)
    shell.edit("environment_variables:\n", f"environment_variables:\n  PLAIN: {CANARY}\n")
    watched = shell.start("submit", "job.yml")
    assert watched.stdout is not None
    assert any("up canary" in line for line in watched.stdout)
    vault = shell.azure.vault("kv-flights")
    hidden = [vault.secret(name).value for name in ("sql-password", "training-client-secret")]
    shown = "".join(" ".join(process.info["cmdline"] or ()) for process in everything())
    containers = podman("ps", "--quiet").split()
    assert containers
    shown += podman("inspect", *containers) + podman("history", "--no-trunc", IMAGE)
    shown += podman("inspect", IMAGE)
    assert "/mnt/work" in shown
    for value in (CANARY, *hidden, "eyJ"):  # what every token begins with
        assert value not in shown
    found = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--fixed-strings", CANARY, STORE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
    assert shell("runs", "cancel", shell.azure.runs[-1].run_id).returncode == 0
    watched.communicate()


def everything() -> Iterator[psutil.Process]:
    """Return all processes, with their command lines."""
    return psutil.process_iter(["cmdline"])


def test_the_exit_code_and_the_log_reach_the_run(shell: Shell) -> None:
    """Both streams; each is passed on by itself, so what is written at once may mix."""
    direct(
        shell,
        "import sys, time\nprint('out', flush=True)\ntime.sleep(0.5)\n"
        "print('err', file=sys.stderr)\nsys.exit(7)\n",
    )
    done = shell("submit", "job.yml")
    assert done.returncode == 6
    assert "exited with status code 7" in done.stderr
    assert "out\nerr\n" in done.stdout


def test_a_run_that_needs_too_much_memory_fails(shell: Shell) -> None:
    """The kernel kills it, with the code that Azure's containers end with."""
    direct(shell, "held = bytearray(1 << 30)\nprint('enough')\n", "small-cluster")
    done = shell("submit", "job.yml")
    assert done.returncode == 6
    assert "exited with status code 137" in done.stderr


@pytest.mark.parametrize("handles", [True, False], ids=["handled", "not-handled"])
def test_a_canceled_run_may_tidy_up(shell: Shell, handles: bool) -> None:  # noqa: FBT001
    """SIGTERM reaches every process, and ends the one that does not ask for it."""
    handler = (
        "def tidy(*_):\n    open('outputs/tidied', 'w').close()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, tidy)\n"
        if handles
        else ""
    )
    direct(shell, f"import signal, sys, time\n{handler}print('up', flush=True)\ntime.sleep(600)\n")
    watched = shell.start("submit", "job.yml")
    assert watched.stdout is not None
    assert any("up" in line for line in watched.stdout)
    run = shell.azure.runs[-1]
    assert shell("runs", "cancel", run.run_id).returncode == 0
    assert shell.azure.wait_for_run(run.run_id).status == "Canceled"
    watched.communicate()
    shell("runs", "download", run.run_id, "left")
    assert (shell.folder / "left/outputs/tidied").exists() == handles


def test_the_time_limit_ends_a_container_that_resists(shell: Shell) -> None:
    """It is killed where it does not heed SIGTERM."""
    script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n"
    direct(shell, script, settings="limits: {timeout: 2}\n")
    done = shell("submit", "job.yml")
    assert done.returncode == 7
    assert "exceeded its maximum duration" in done.stderr


def test_distributed_processes_are_containers_that_meet(shell: Shell) -> None:
    """A container each, on one network; the snapshot's folder is shared on a node."""
    script = """\
import os, socket, time
address, rank = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), os.environ["RANK"]
open(f"outputs/{rank}-{os.environ['NODE_RANK']}", "w").close()
if rank == "0":
    server = socket.create_server(address)
    print("met", sorted(server.accept()[0].recv(9).decode() for _ in range(3)))
else:
    for _ in range(600):
        try:
            socket.create_connection(address).sendall(rank.encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
"""
    direct(
        shell,
        script,
        settings="resources: {instance_count: 2}\n"
        "distribution: {type: pytorch, process_count_per_instance: 2}\n",
    )
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "met ['1', '2', '3']" in done.stdout
    shell("runs", "download", shell.azure.runs[-1].run_id, "left")
    names = sorted(path.name for path in (shell.folder / "left/outputs").iterdir())
    assert names == ["0-0", "1-0", "2-1", "3-1"]


def test_a_missing_image_fails_the_run_with_what_to_do(shell: Shell) -> None:
    """Nothing is pulled."""
    direct(shell, "print(1)\n", "bare-cluster")
    done = shell("submit", "job.yml")
    assert done.returncode == 6
    assert "There is no image localhost/nothing:here on this machine" in done.stderr
    assert "make image" in done.stderr


def test_a_variable_that_no_shell_can_set_is_refused(shell: Shell) -> None:
    """Rather than left out."""
    direct(shell, "print(1)\n", settings="environment_variables:\n  not-a-name: x\n")
    done = shell("submit", "job.yml")
    assert done.returncode == 6
    assert "cannot set the variables not-a-name" in done.stderr


def test_the_example_runs_to_its_end(tmp_path: Path) -> None:
    """`submitter init`'s project: the image has everything that it imports."""
    folder = tmp_path / "example"
    assert typed("init", str(folder), cwd=tmp_path).returncode == 0
    config = folder / "emulator.yml"
    text = config.read_text(encoding="utf-8")
    plain = "{vm_size: STANDARD_DS2_V2, max_nodes: 2}"
    assert plain in text
    config.write_text(text.replace(plain, f"{{kind: container, image: '{IMAGE}'}}"))
    done = typed("submit", "job.yml", "--emulator", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flights of 16 airlines" in done.stdout
    assert "Completed" in done.stderr


def typed(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Type a command outside of any project's shell."""
    return subprocess.run(
        [sys.executable, "-m", "submitter", *arguments],
        cwd=cwd,
        env={**os.environ, "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
