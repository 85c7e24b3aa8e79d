"""The execution service: what it takes, refuses and writes down."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.service_client import ServiceClient

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.artifacts import Artifacts
from submitter.emulator.azureml.environments import Environments
from submitter.emulator.azureml.execution import Execution
from submitter.emulator.azureml.history import FINAL, History
from submitter.emulator.azureml.snapshots import Snapshots
from submitter.emulator.blobs import BlobStore
from submitter.emulator.compute import Compute
from submitter.emulator.service import Problem
from submitter.emulator.shared_access import SharedAccess

SCRIPT = b"""
import os, pathlib
pathlib.Path("outputs/variables").write_text(os.environ["BOTH"] + os.environ["COMPLETED"])
raise SystemExit(int(os.environ["CODE"]))
"""


@pytest.fixture
def history() -> History:
    """Make an empty history."""
    return History()


@pytest.fixture
def environments(access: Access) -> Environments:
    """Make an empty set of environments."""
    return Environments(access)


@pytest.fixture
def client(
    access: Access,
    history: History,
    environments: Environments,
    blobs: BlobStore,
    tmp_path: Path,
    client_of: Callable[..., ServiceClient],
) -> Iterator[ServiceClient]:
    """Make a client of the execution service, with one node and the snapshot `snap`."""
    shared = SharedAccess("host")
    snapshots = Snapshots(access, blobs, shared)
    blobs.write("snapshots/u/0", SCRIPT)
    nodes = [{"FullName": "main.py", "BlobUri": "https://host/snapshots/u/0"}]
    tree = {"Children": {"main.py": {"Type": "File"}}}
    content = f"/content/v2.0{access.workspace.resource_id}/snapshots"
    client_of(snapshots.service(), content).ask(
        "POST", "/snap", {"DirTreeNode": tree, "FileRevisionList": {"FileNodes": nodes}}
    )
    compute = Compute({"one": 1}, tmp_path / "runs", sys.executable)
    execution = Execution(
        access,
        history,
        environments,
        snapshots,
        Artifacts(access, history, blobs, shared),
        compute,
        lambda given: {**given, "COMPLETED": "!"},
        lambda _target: {},
    )
    base = f"/execution/v1.0{access.workspace.resource_id}/experiments/exp"
    yield client_of(execution.service(), base)
    compute.stop()


def definition(code: int = 0, **changes: Any) -> dict[str, Any]:
    """Describe a run, as a client sends it."""
    configuration = {
        "Script": "main.py",
        "Target": "one",
        "Environment": {"name": "e", "environmentVariables": {"BOTH": "x", "CODE": str(code)}},
        "EnvironmentVariables": {"BOTH": "per run"},
        **changes,
    }
    return {"Configuration": configuration, "SnapshotId": "snap"}


def test_a_run_gets_its_variables_and_leaves_its_outputs(
    client: ServiceClient, history: History, blobs: BlobStore
) -> None:
    """The run's own variables come over the environment's; files are there at its end."""
    run_id = client.ask("POST", "/snapshotrun", definition())["runId"]
    run = history.wait(run_id, FINAL, 30)
    assert (run.status, run.definition["environment"]["version"]) == ("Completed", "1")
    written = f"azureml/ExperimentRun/{run.data_container_id}/outputs/variables"
    assert blobs.read(written, 0, 100) == b"per run!"


def test_an_exit_code_is_the_runs_error(client: ServiceClient, history: History) -> None:
    """A run that fails says with which code, and that it said nothing else."""
    run_id = client.ask("POST", "/snapshotrun", definition(code=7))["runId"]
    run = history.wait(run_id, FINAL, 30)
    assert run.status == "Failed"
    assert "status code 7. The log is empty" in run.error["error"]["message"]


def test_a_run_is_started_once(client: ServiceClient, history: History) -> None:
    """A second order with the same id is refused; the first run goes on."""
    client.ask("POST", "/snapshotrun", definition(), runId="mine")
    with pytest.raises(Problem, match="id mine exists already") as refused:
        client.ask("POST", "/snapshotrun", definition(code=7), runId="mine")
    assert refused.value.status == 409
    assert history.wait("mine", FINAL, 30).status == "Completed"
    assert len(history.runs()) == 1


def test_each_process_has_a_log_and_all_files_are_kept(
    client: ServiceClient, history: History, blobs: BlobStore
) -> None:
    """The run fails with the first process that does; the error names it and its log."""
    mpi = {"Communicator": "IntelMpi", "Mpi": {"processCountPerNode": 2}}
    command = (
        "touch outputs/by-$OMPI_COMM_WORLD_RANK; echo rank $OMPI_COMM_WORLD_RANK; "
        "test $OMPI_COMM_WORLD_RANK = 0 && exec sleep 600; "
        "until test -e outputs/by-0; do sleep 0.01; done; exit 9"
    )
    run_id = client.ask("POST", "/snapshotrun", definition(Command=command, **mpi))["runId"]
    run = history.wait(run_id, FINAL, 30)
    assert run.status == "Failed"
    message = run.error["error"]["message"]
    assert "status code 9. It was process 1, whose log is std_log_process_1.txt." in message
    assert message.endswith("The log ends:\nrank 1")
    folder = f"azureml/ExperimentRun/{run.data_container_id}/"
    assert [name.removeprefix(folder) for name in blobs.names(folder)] == [
        *("outputs/by-0", "outputs/by-1"),
        *("user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"),
    ]


def test_a_run_whose_image_cannot_be_built_fails(
    client: ServiceClient, history: History, environments: Environments
) -> None:
    """Before it starts, and its error names a log that is there."""
    environments.images.break_builds("e")
    run_id = client.ask("POST", "/snapshotrun", definition())["runId"]
    run = history.wait(run_id, FINAL, 30)
    assert (run.status, run.start_time_utc) == ("Failed", None)
    assert "Image build failed" in run.error["error"]["message"]


def test_a_run_that_is_over_cannot_be_cancelled(client: ServiceClient, history: History) -> None:
    """The request is taken, and changes nothing."""
    run_id = client.ask("POST", "/snapshotrun", definition())["runId"]
    history.wait(run_id, FINAL, 30)
    client.ask("POST", f"/runId/{run_id}/cancel")
    assert history.run(run_id).status == "Completed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NodeCount": 2}, "more than one node"),
        ({"NodeCount": 0}, "at least 1"),
        ({"NodeCount": 2, "Communicator": "IntelMpi"}, "2 nodes, .* 'one' has at most 1"),
        ({"Communicator": "ParameterServer"}, "ParameterServer"),
        ({"Framework": "PySpark"}, "PySpark"),
        ({"DataReferences": {"d": {}}}, "dataReferences"),
        ({"Target": "none"}, "Unknown compute target 'none'"),
    ],
)
def test_a_run_that_is_not_played_is_refused(
    client: ServiceClient, history: History, changes: dict[str, Any], message: str
) -> None:
    """No run is left behind."""
    with pytest.raises(Problem, match=message):
        client.ask("POST", "/snapshotrun", definition(**changes))
    assert history.runs() == []
