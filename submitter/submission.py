"""Submit a job from Python, and hold on to its run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.base import CANCELED, FAILED, RemoteRun, RunDetails, Uploaded
from submitter.backends.v1_limits import refuse_what_v1_cannot_carry
from submitter.errors import RunCanceledError, RunFailedError
from submitter.follow import follow, log_pieces, main_log
from submitter.job import Job
from submitter.planning import Plan, plan
from submitter.workspace import open_workspace


class RunHandle:
    """A submitted run.

    Args:
        run: The backend's view of it.
    """

    def __init__(self, run: RemoteRun) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<RunHandle {self.id}>"

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    @property
    def status(self) -> str:
        """How the run stands now, such as Queued, Running or Completed."""
        return self._run.details().status

    def details(self) -> RunDetails:
        """Return what the service says of the run now."""
        return self._run.details()

    def follow(
        self,
        write: Callable[[bytes], object],
        on_status: Callable[[str], object] = lambda _: None,
    ) -> RunDetails:
        """Pass the log on as it is written, until the run has ended.

        Args:
            write: Receives each new piece of the log.
            on_status: Receives each new status.

        Returns:
            How the run stood at its end.
        """
        return follow(self._run, write=write, on_status=on_status)

    def wait(self) -> RunDetails:
        """Wait until the run has ended; see `result` for an exception if it failed."""
        return follow(self._run)

    def result(self) -> RunDetails:
        """Wait until the run has ended.

        Raises:
            RunFailedError: It failed; the message is the service's.
            RunCanceledError: It was canceled.
        """
        details = self.wait()
        raise_unless_completed(details)
        return details

    def logs(self) -> str:
        """Return the main log as far as it is written."""
        logs = self._run.details().logs
        name = main_log(logs)
        pieces = log_pieces(self._run, logs[name]) if name else ()
        return b"".join(pieces).decode(errors="replace")

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged: name → value, or list of values."""
        return self._run.metrics()

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""
        return self._run.files()

    def download(self, folder: str | Path, prefix: str = "outputs") -> Sequence[Path]:
        """Fetch the run's files.

        Args:
            folder: Where to put them; their paths in the run are kept below it.
            prefix: Which ones; empty for everything.

        Returns:
            The files on this machine.
        """
        return self._run.download(prefix, Path(folder))

    def cancel(self) -> None:
        """Ask the service to stop the run."""
        self._run.cancel()


def submit(
    job: Job | Plan | str | Path,
    *,
    workspace: Any = None,
    allow_plaintext: Collection[str] = (),
    on_upload: Callable[[Uploaded], object] | None = None,
) -> RunHandle:
    """Submit a job.

    Args:
        job: A job, a plan made of one, or the path of a job file.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.
        allow_plaintext: Variables that may carry a credential in clear.
        on_upload: Receives how far the upload is, from the threads that upload.

    Returns:
        The run, as soon as the service has it.

    Raises:
        SubmitterError: What is wrong and what to do; see `submitter.errors`.
    """
    if isinstance(job, str | Path):
        job = Job.from_file(job)
    made = job if isinstance(job, Plan) else plan(job, allow_plaintext=allow_plaintext)
    refuse_what_v1_cannot_carry(made.job)
    return RunHandle(AzureMLCore(workspace or open_workspace()).submit(made, on_upload))


def get_run(run_id: str, *, workspace: Any = None) -> RunHandle:
    """Find a run again by its id.

    Args:
        run_id: As `submit` printed it.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.

    Raises:
        NotFoundError: The workspace has no such run.
    """
    return RunHandle(AzureMLCore(workspace or open_workspace()).run(run_id))


def raise_unless_completed(details: RunDetails) -> None:
    """Raise the error that a final status stands for.

    Raises:
        RunFailedError: The run failed; the message is the service's.
        RunCanceledError: The run was canceled.
    """
    if details.status == FAILED:
        raise RunFailedError(
            f"The run {details.id} failed: {details.error or 'the service gave no reason.'}\n"
            f"Read its log with: submitter runs logs {details.id}"
        )
    if details.status == CANCELED:
        raise RunCanceledError(f"The run {details.id} was canceled.")
