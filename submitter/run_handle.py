"""Hold on to a submitted run: follow it, wait for it, read what it left."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from submitter.audit import Audit, audit
from submitter.backends.base import CANCELED, FAILED, RemoteRun, RunDetails
from submitter.errors import RunCanceledError, RunFailedError
from submitter.follow import follow, log_pieces, main_log


class RunHandle:
    """A submitted run.

    Args:
        run: The backend's view of it.
        attached: Whether the run was there already, and nothing was started.
    """

    def __init__(self, run: RemoteRun, *, attached: bool = False) -> None:
        self._run = run
        self.attached = attached

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

    def audit(self) -> Audit:
        """Search all that the workspace shows of the run for credentials."""
        return audit(self._run)

    def cancel(self) -> None:
        """Ask the service to stop the run."""
        self._run.cancel()


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
