"""Distributed jobs through the product: processes that find each other, and end together."""

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from support.shell import Shell, flights_emulator

from submitter.emulator import Emulator

MEET = """\
import json, os, socket, sys, time
from pathlib import Path
from remote_entry import get_secret

if "RANK" in os.environ:
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    names = "RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK"
else:
    host, port = os.environ["AZ_BATCH_MASTER_NODE"].split(":")
    address = host, int(port)
    names = "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"
    names += ("AZ_BATCH_IS_CURRENT_NODE_MASTER",)
seat = [os.environ[name] for name in names]
rank, size = int(seat[0]), int(seat[1])
print("a careless line:", get_secret("sql-password").value)
print("seat", *seat, "secret", len(get_secret("sql-password").value), flush=True)

if seat[2] == "0":  # once on each node
    Path("outputs/shared.txt").write_text(f"by rank {rank}")
    Path(f"outputs/by-{rank}.txt").write_text(" ".join(sorted(os.listdir("."))))
if rank == 0:
    server = socket.create_server(address)
    peers = [server.accept()[0].makefile("rw") for _ in range(size - 1)]
    print("met", *sorted(peer.readline().strip() for peer in peers))
    for peer in peers:
        print("bye", file=peer, flush=True)
else:
    while True:
        try:
            peer = socket.create_connection(address).makefile("rw")
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            break
    print(rank, file=peer, flush=True)
    print("rank 0 says", peer.readline().strip())
"""
WAIT = """\
import os, threading
if os.environ["RANK"] == os.environ.get("FAILING"):
    raise SystemExit(9)
print("waiting", flush=True)
threading.Event().wait()
"""
DISTRIBUTED = """\
resources: {{instance_count: {nodes}}}
distribution: {{type: {kind}, process_count_per_instance: 2}}
environment_variables:
"""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start an emulator with a cluster of two nodes, and two that may be taken away."""
    computes = {
        "cpu-cluster": {"max_nodes": 2},
        "spot-cluster": {"max_nodes": 2, "vm_priority": "lowpriority"},
    }
    with flights_emulator(tmp_path_factory.mktemp("emulator"), computes=computes) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


def distribute(shell: Shell, script: str, kind: str = "pytorch", nodes: int = 2) -> None:
    """Let the project's job run a script in two processes on each node."""
    shell.write("train.py", script)
    shell.edit("environment_variables:\n", DISTRIBUTED.format(kind=kind, nodes=nodes))


def start(shell: Shell, *arguments: str) -> str:
    """Submit the job without waiting; return the run's id as soon as it runs."""
    done = shell("submit", "job.yml", "--no-wait", *arguments)
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.strip()
    shell.azure.wait_for_run(run_id, frozenset({"Running"}))
    return run_id


def logs(shell: Shell, run_id: str) -> dict[str, str]:
    """Download a run's logs; return them by name."""
    shell("runs", "download", run_id, "all", "--prefix", "user_logs")
    folder = shell.folder / "all" / "user_logs"
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.txt"))
    }


def of_run(run_id: str) -> list[int]:
    """Return the processes that belong to a run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AZUREML_RUN_ID") == run_id:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    ("kind", "last"), [("pytorch", "3 4 1 1"), ("mpi", "3 4 1 false")], ids=["pytorch", "mpi"]
)
def test_each_process_knows_its_place_and_meets_the_others(
    shell: Shell, kind: str, last: str
) -> None:
    """Ranks, a log and the secrets in each; on each instance a snapshot whose outputs are kept."""
    distribute(shell, MEET, kind)
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "met 1 2 3" in done.stdout
    run = shell.azure.runs[-1]
    secret = shell.azure.vault("kv-flights").secret("sql-password").value
    printed = logs(shell, run.run_id)
    assert list(printed) == [f"std_log_process_{rank}.txt" for rank in range(4)]
    assert all("a careless line: ***" in log and secret not in log for log in printed.values())
    assert f"seat {last} secret {len(secret)}" in printed["std_log_process_3.txt"]
    assert "rank 0 says bye" in printed["std_log_process_3.txt"]
    shell("runs", "download", run.run_id, "left")
    outputs = {path.name: path.read_text() for path in (shell.folder / "left/outputs").iterdir()}
    assert outputs["shared.txt"] == "by rank 0"
    assert outputs["by-0.txt"] == outputs["by-2.txt"]
    assert "train.py" in outputs["by-2.txt"]
    assert set(outputs) == {"by-0.txt", "by-2.txt", "shared.txt"}


def test_a_process_that_fails_fails_the_run(shell: Shell) -> None:
    """The others are ended, and the error says which one it was and where its log is."""
    distribute(shell, WAIT)
    shell.edit("environment_variables:\n", 'environment_variables:\n  FAILING: "2"\n')
    done = shell("submit", "job.yml")
    assert done.returncode == 6, done.stdout + done.stderr
    assert "exited with status code 9. It was process 2" in done.stderr
    assert "std_log_process_2.txt" in done.stderr
    assert of_run(shell.azure.runs[-1].run_id) == []


def test_cancelling_ends_every_process(shell: Shell) -> None:
    """On all nodes."""
    distribute(shell, WAIT)
    run_id = start(shell)
    assert len(of_run(run_id)) >= 4
    assert shell("runs", "cancel", run_id).returncode == 0
    assert shell.azure.wait_for_run(run_id).status == "Canceled"
    assert of_run(run_id) == []


def test_the_time_limit_ends_every_process(shell: Shell) -> None:
    """limits.timeout counts for the whole run."""
    distribute(shell, WAIT)
    shell.edit("environment_variables:\n", "limits: {timeout: 2}\nenvironment_variables:\n")
    done = shell("submit", "job.yml")
    assert done.returncode == 7, done.stdout + done.stderr
    assert of_run(shell.azure.runs[-1].run_id) == []


def test_more_instances_than_the_cluster_may_have_are_refused(shell: Shell) -> None:
    """Nothing is left waiting for ever."""
    before = len(shell.azure.runs)
    distribute(shell, WAIT, nodes=3)
    done = shell("submit", "job.yml")
    assert done.returncode == 5
    assert "asks for 3 nodes, and compute target 'cpu-cluster' has at most 2" in done.stderr
    assert len(shell.azure.runs) == before


def test_a_preempted_run_starts_again_from_its_beginning(shell: Shell) -> None:
    """Under the same id, with logs of its own for the second time."""
    shell.write("train.py", "import os, time\nprint('a line', flush=True)\ntime.sleep(600)\n")
    shell.edit("compute: cpu-cluster", "compute: spot-cluster")
    run_id = start(shell)
    shell.azure.preempt(run_id)
    shell.azure.wait_for_run(run_id, frozenset({"Running"}))
    assert shell("runs", "cancel", run_id).returncode == 0
    assert shell.azure.wait_for_run(run_id).status == "Canceled"
    assert list(logs(shell, run_id)) == ["retry_001/std_log.txt", "std_log.txt"]
    assert shell("runs", "logs", run_id).stdout == logs(shell, run_id)["retry_001/std_log.txt"]


def test_a_run_can_fail_for_the_services_own_fault(shell: Shell) -> None:
    """Before its program starts; the next one is fine."""
    shell.write("train.py", "print('fine')")
    shell.azure.fail_next_run("cpu-cluster", "The node failed to start.")
    failed, fine = (shell("submit", "job.yml", "--json") for _ in range(2))
    assert (failed.returncode, fine.returncode) == (6, 0)
    assert "The node failed to start." in json.loads(failed.stdout)["error"]
    codes: list[Any] = [run.error and run.error["error"]["code"] for run in shell.azure.runs[-2:]]
    assert codes == ["ServiceError", None]
