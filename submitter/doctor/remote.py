"""The container's own check, as a tiny run where the job would run and with what it would have."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from remote_entry.hop import Hop, Outcome
from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.base import CANCELED, ENDED
from submitter.doctor.walk import Finding, Walk
from submitter.errors import RunFailedError, SubmitterError
from submitter.job import Job, Limits, Resources
from submitter.planning import plan
from submitter.runs.handle import RunHandle
from submitter.submission import run_ids

_COMMAND = "python -m remote_entry check --json"
_SECONDS = 600  # more than all of the check's own deadlines together
_LAPTOP = ("job file", "workspace", "role", "compute", "environment", "variables")


@dataclass(frozen=True)
class RemoteCheck:
    """What the run found.

    Attributes:
        run_id: The run; empty if there was none.
        exit_code: That of `python -m remote_entry check`; None if it did not get so far.
        hops: Its hops.
    """

    run_id: str = ""
    exit_code: int | None = None
    hops: tuple[Hop, ...] = field(default=())


def check_in_a_run(
    job: Job,
    workspace: Any,
    walk: Walk,
    *,
    allow_plaintext: tuple[str, ...],
    on_status: Callable[[str], object],
    environ: Mapping[str, str],
) -> RemoteCheck:
    """Submit the check in the job's environment, on its compute, with its variables; wait for it.

    A run that nobody waits for any more, because of Ctrl-C, is cancelled.

    Args:
        job: The job.
        workspace: The azureml-core `Workspace`; None if it did not open.
        walk: Reports the run itself as one hop.
        allow_plaintext: Variables that may carry a credential in clear.
        on_status: Receives each new status of the run.
        environ: This machine's variables, whose credentials must not travel.

    Returns:
        What the run found.
    """
    found = RemoteCheck()

    def attempt() -> str:
        nonlocal found
        made = plan(_tiny(job), allow_plaintext=allow_plaintext, environ=environ)
        backend = AzureMLCore(workspace)
        run_id = run_ids.fresh(made.job)
        try:
            found = _wait(RunHandle(backend.submit(made, run_id)), on_status)
        except (KeyboardInterrupt, SystemExit):
            with suppress(SubmitterError):  # it may not have come so far
                backend.run(run_id).cancel()
            raise
        return f"{run_id} went the way on {job.compute}; its hops:"

    walk.hop(
        "remote run",
        attempt,
        fix="mend that, and try again",
        needs=_LAPTOP,
    )
    return found


def _tiny(job: Job) -> Job:
    """Return a job that is the given one in all that a way to the data depends on."""
    return job.model_copy(
        update={
            "command": _COMMAND,
            "code": None,
            "name": None,
            "display_name": "submitter doctor",
            "experiment_name": "submitter-doctor",
            "inputs": {},
            "resources": Resources(
                shm_size=job.resources.shm_size, docker_args=job.resources.docker_args
            ),
            "distribution": None,
            "limits": Limits(timeout=_SECONDS),
        }
    )


def _wait(run: RunHandle, on_status: Callable[[str], object]) -> RemoteCheck:
    """Wait for the run's end and read what it printed.

    Raises:
        Finding: It printed no result.
    """
    details = run.follow(lambda _: None, on_status)
    assert details.status in ENDED  # noqa: S101 - followed to its end
    document = _document_in(run.logs())
    if document is None:
        canceled = "it was canceled, or took longer than ten minutes"
        raise Finding(
            f"{run.id} ended without a result: "
            f"{canceled if details.status == CANCELED else details.error}",
            kind="remote.no-result",
            fix=f"read its log with: submitter runs logs {run.id}",
            exit_code=RunFailedError.exit_code,
        )
    hops = tuple(_hop(each) for each in document["hops"])
    return RemoteCheck(run.id, int(document["exit_code"]), hops)


def _document_in(log: str) -> Mapping[str, Any] | None:
    """Find the check's JSON among whatever else the log has."""
    for start in (index for index, letter in enumerate(log) if letter == "{"):
        with suppress(ValueError, RecursionError):
            document, _ = json.JSONDecoder().raw_decode(log, start)
            if isinstance(document, dict) and {"exit_code", "hops"} <= document.keys():
                return document
    return None


def _hop(sent: Mapping[str, Any]) -> Hop:
    return Hop(
        name=str(sent["name"]),
        outcome=Outcome(sent["outcome"]),
        detail=str(sent["detail"]),
        seconds=float(sent["seconds"]),
        kind=str(sent["kind"]),
        hint=str(sent["hint"]),
    )
