"""Submit a job from Python, and find its run again."""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.azureml_core.limits import refuse_what_v1_cannot_carry
from submitter.backends.base import Survey, Uploaded
from submitter.errors import NotFoundError
from submitter.job import Job
from submitter.planning import Plan, plan
from submitter.runs.handle import RunHandle
from submitter.submission import records, run_ids
from submitter.workspace import full_name, open_workspace


def submit(
    job: Job | Plan | str | Path,
    *,
    workspace: Any = None,
    allow_plaintext: Collection[str] = (),
    run_id: str | None = None,
    scheduled_for: datetime | None = None,
    attach: bool = True,
    on_survey: Callable[[Survey], object] = lambda _: None,
    on_upload: Callable[[Uploaded], object] | None = None,
) -> RunHandle:
    """Submit a job; the same `run_id`, job `name` or `scheduled_for` never starts a second run.

    Args:
        job: A job, a plan made of one, or the path of a job file.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.
        allow_plaintext: Variables that may carry a credential in clear.
        run_id: The run's id; by default the job's name, else a new one.
        scheduled_for: The time, with its zone, that this run is for: its id is made of it.
        attach: Whether to look for a run of that id first; without, there is none for certain.
        on_survey: Receives what the workspace has, before anything is uploaded.
        on_upload: Receives how far the snapshot's upload is, from the threads that upload.

    Returns:
        The run, as soon as the service has it. If there was a run of that id already, however it
        stands by now, it is that run, and its `attached` is true.

    Raises:
        SubmitterError: What is wrong and what to do; see `submitter.errors`.
    """
    if isinstance(job, str | Path):
        job = Job.from_file(job)
    made = job if isinstance(job, Plan) else plan(job, allow_plaintext=allow_plaintext)
    refuse_what_v1_cannot_carry(made.job)
    chosen = run_ids.chosen(made.job, run_id=run_id, scheduled_for=scheduled_for)
    opened = workspace or open_workspace()
    backend = AzureMLCore(opened)
    if chosen and attach:
        with suppress(NotFoundError):
            return RunHandle(backend.run(chosen), attached=True)
    started = backend.submit(made, chosen or run_ids.fresh(made.job), on_survey, on_upload)
    run = RunHandle(started)
    records.remember(made, run.id, full_name(opened))
    return run


def get_run(run_id: str, *, workspace: Any = None) -> RunHandle:
    """Find a run again by its id.

    Args:
        run_id: As `submit` printed it.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.

    Raises:
        NotFoundError: The workspace has no such run.
    """
    return RunHandle(AzureMLCore(workspace or open_workspace()).run(run_id))
