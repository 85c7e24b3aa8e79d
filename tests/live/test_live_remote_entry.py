"""The run's side against a real vault and a real SQL Server; see README.md in this folder."""

import json
import os
import subprocess
import sys

import pytest

from submitter import Job, open_workspace, submit

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("SUBMITTER_LIVE"), reason="SUBMITTER_LIVE is not set"),
]


@pytest.mark.skipif(not os.environ.get("KEY_VAULT_URL"), reason="KEY_VAULT_URL is not set")
def test_every_hop_works_from_here() -> None:
    """Identity, vault, secrets, certificate, login, query, permissions: with the real services."""
    done = subprocess.run(
        [sys.executable, "-m", "remote_entry", "check", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [hop for hop in json.loads(done.stdout)["hops"] if hop["outcome"] == "failed"]
    assert (failed, done.returncode) == ([], 0)


@pytest.mark.skipif(
    not os.environ.get("SUBMITTER_LIVE_JOB"), reason="SUBMITTER_LIVE_JOB is not set"
)
def test_every_hop_works_from_the_container() -> None:
    """The job's variables, on its compute target and in its environment."""
    job = Job.from_file(os.environ["SUBMITTER_LIVE_JOB"])
    check = job.model_copy(update={"command": "python -m remote_entry check"})
    log = bytearray()
    run = submit(check, workspace=open_workspace())
    assert run.follow(log.extend).status == "Completed", log.decode()
