"""What only Azure can prove; see README.md in this folder."""

import os
from pathlib import Path

import pytest

from submitter import Job, open_workspace, submit
from submitter.backends.azureml_core import AzureMLCore
from submitter.secrets import delete_secret, list_secrets, set_secrets

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("SUBMITTER_LIVE"), reason="SUBMITTER_LIVE is not set"),
]


def test_a_command_runs_and_its_log_arrives(tmp_path: Path) -> None:
    """remote_entry starts the command on a real compute target, and the log comes back."""
    job = Job(
        command="echo hello from remote_entry",
        compute=os.environ["SUBMITTER_LIVE_COMPUTE"],
        environment="azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest",
        experiment_name="submitter-live",
    )
    log = bytearray()
    run = submit(job, workspace=open_workspace())
    assert run.follow(log.extend).status == "Completed"
    assert b"hello from remote_entry" in log
    assert run.download(tmp_path, prefix="user_logs")


def test_the_workspaces_vault_takes_and_forgets_a_secret() -> None:
    """Set, list, delete."""
    workspace = open_workspace()
    set_secrets(workspace, {"submitter-live-test": "value"})
    assert "submitter-live-test" in list_secrets(workspace)
    delete_secret(workspace, "submitter-live-test")
    assert "submitter-live-test" not in list_secrets(workspace)


def test_environments_are_listed() -> None:
    """Azure's own curated environments are read back like ours."""
    assert AzureMLCore(open_workspace()).environments()


@pytest.mark.skipif(
    not os.environ.get("SUBMITTER_LIVE_JOB"), reason="SUBMITTER_LIVE_JOB is not set"
)
def test_a_job_of_your_own_completes() -> None:
    """With its real vault and its real database."""
    run = submit(Job.from_file(os.environ["SUBMITTER_LIVE_JOB"]), workspace=open_workspace())
    assert run.result().status == "Completed"
