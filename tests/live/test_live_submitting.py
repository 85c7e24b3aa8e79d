"""What only Azure can prove of submitting twice, of many nodes, and of looking back."""

import os
import uuid

import pytest

from submitter import Job, get_run, open_workspace, submit
from submitter.doctor import examine

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("SUBMITTER_LIVE"), reason="SUBMITTER_LIVE is not set"),
]
ENVIRONMENT = "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest"


def job(**keys: object) -> Job:
    """Return a small job on the cluster."""
    settings = {"command": "echo rank $RANK", "experiment_name": "submitter-live", **keys}
    return Job(compute=os.environ["SUBMITTER_LIVE_COMPUTE"], environment=ENVIRONMENT, **settings)


def test_the_same_id_is_one_run() -> None:
    """Also when the first submission is looked for only after Azure has refused the second."""
    workspace, run_id = open_workspace(), f"submitter-live-{uuid.uuid4().hex[:8]}"
    first = submit(job(), workspace=workspace, run_id=run_id)
    second = submit(job(), workspace=workspace, run_id=run_id, attach=False)
    assert first.id == second.id == run_id
    assert first.result().status == "Completed"


def test_every_process_of_a_distributed_run_has_a_log() -> None:
    """Under the names that `--all-logs` expects."""
    two = {"instance_count": 2}
    pytorch = {"type": "pytorch", "process_count_per_instance": 1}
    run = submit(job(resources=two, distribution=pytorch), workspace=open_workspace())
    assert run.result().status == "Completed"
    logs = [name for name in run.files() if "std_log_process_" in name]
    assert len(logs) == 2


def test_a_run_shows_no_credential_and_its_way_is_sound() -> None:
    """Audit and doctor, on real records and real roles."""
    workspace = open_workspace()
    run = submit(job(), workspace=workspace)
    run.wait()
    assert not get_run(run.id, workspace=workspace).audit().exposures
    assert examine().exit_code == 0
