"""Submit a job from Python, and find its run again."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.v1_limits import refuse_what_v1_cannot_carry
from submitter.job import Job
from submitter.planning import Plan, plan
from submitter.run_handle import RunHandle
from submitter.workspace import open_workspace


def submit(
    job: Job | Plan | str | Path,
    *,
    workspace: Any = None,
    allow_plaintext: Collection[str] = (),
) -> RunHandle:
    """Submit a job.

    Args:
        job: A job, a plan made of one, or the path of a job file.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.
        allow_plaintext: Variables that may carry a credential in clear.

    Returns:
        The run, as soon as the service has it.

    Raises:
        SubmitterError: What is wrong and what to do; see `submitter.errors`.
    """
    if isinstance(job, str | Path):
        job = Job.from_file(job)
    made = job if isinstance(job, Plan) else plan(job, allow_plaintext=allow_plaintext)
    refuse_what_v1_cannot_carry(made.job)
    return RunHandle(AzureMLCore(workspace or open_workspace()).submit(made))


def get_run(run_id: str, *, workspace: Any = None) -> RunHandle:
    """Find a run again by its id.

    Args:
        run_id: As `submit` printed it.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.

    Raises:
        NotFoundError: The workspace has no such run.
    """
    return RunHandle(AzureMLCore(workspace or open_workspace()).run(run_id))
