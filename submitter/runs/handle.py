"""Hold on to a submitted run: follow it, wait for it, read what it left.

It answers to the names of `concurrent.futures.Future`.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import TimeoutError as NotYetError  # of 3.10, not yet the built-in one
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submitter import guard
from submitter.backends.base import CANCELED, ENDED, FAILED, RemoteRun, RunDetails
from submitter.errors import (
    NotFoundError,
    RunCanceledError,
    RunFailedError,
    SecretInViewError,
    SubmitterError,
)
from submitter.runs.audit import Audit, audit
from submitter.runs.display import as_html, as_rich
from submitter.runs.downloads import Progress, download
from submitter.runs.follow import follow
from submitter.runs.log_names import choose
from submitter.runs.log_reading import read_logs

if TYPE_CHECKING:
    from rich.text import Text

_AT_WORK = frozenset({"Running", "Finalizing"})


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

    def __rich__(self) -> "Text":
        return as_rich(self._run)

    def _repr_html_(self) -> str:
        return as_html(self._run)

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    @property
    def status(self) -> str:
        """How the run stands now, such as Queued, Running or Completed."""
        return self._run.status()

    @property
    def tags(self) -> Mapping[str, str]:
        """The run's tags as they are now."""
        return self._run.details().tags

    def details(self) -> RunDetails:
        """Return what the service says of the run now."""
        return self._run.details()

    def done(self) -> bool:
        """Tell whether the run has ended, however it did."""
        return self.status in ENDED

    def running(self) -> bool:
        """Tell whether the run's command is being carried out."""
        return self.status in _AT_WORK

    def cancelled(self) -> bool:
        """Tell whether the run ended by being canceled."""
        return self.status == CANCELED

    def follow(
        self,
        write: Callable[[bytes], object],
        on_status: Callable[[str], object] = lambda _: None,
        *,
        logs: Collection[str] = (),
        on_notice: Callable[[str], object] = lambda _: None,
        patience: float | None = None,
    ) -> RunDetails:
        """Pass the log on as it is written, until the run has ended.

        Args:
            write: Receives each new piece of the log.
            on_status: Receives each new status.
            logs: Which logs, by name or pattern, if not the main one; `*` for all nodes and
                processes. Of several, `write` receives whole lines, each after its log's name.
            on_notice: Receives what else there is to say, such as that the service does not answer.
            patience: Seconds without an answer before giving up; by default
                SUBMITTER_FOLLOW_PATIENCE, or ten minutes.

        Returns:
            How the run stood at its end.
        """
        return follow(
            self._run,
            write=write,
            logs=logs,
            on_status=on_status,
            on_notice=on_notice,
            patience=patience,
        )

    def wait(self, timeout: float | None = None) -> RunDetails:
        """Wait until the run has ended; see `result` for an exception if it failed.

        Args:
            timeout: Seconds to wait; by default as long as it takes.

        Raises:
            TimeoutError: The run has not ended in time; it goes on.
        """
        try:
            return follow(self._run, timeout=timeout)
        except TimeoutError as error:
            raise NotYetError(str(error)) from None

    def result(self, timeout: float | None = None) -> RunDetails:
        """Wait until the run has ended.

        Args:
            timeout: Seconds to wait; by default as long as it takes.

        Raises:
            RunFailedError: It failed; the message is the service's.
            RunCanceledError: It was canceled.
            TimeoutError: It has not ended in time; it goes on.
        """
        details = self.wait(timeout)
        raise_unless_completed(details)
        return details

    def exception(self, timeout: float | None = None) -> SubmitterError | None:
        """Wait until the run has ended; return what `result` would raise for its end.

        Args:
            timeout: Seconds to wait; by default as long as it takes.

        Raises:
            TimeoutError: The run has not ended in time; it goes on.
        """
        try:
            self.result(timeout)
        except (RunFailedError, RunCanceledError) as error:
            return error
        return None

    def log_names(self, name: str | None = None) -> Sequence[str]:
        """Return the full names of the run's logs that a name means; see `logs`.

        Raises:
            NotFoundError: The run has no such log.
        """
        known = self._run.details().logs
        found = choose(known, [name] if name else [])
        if name and not found:
            raise NotFoundError(
                f"The run {self.id} has no log '{name}'. "
                f"It has: {', '.join(sorted(known)) or 'none yet'}."
            )
        return found

    def logs(self, name: str | None = None, *, tail: int | None = None) -> str:
        """Return a log as far as it is written.

        Args:
            name: Which, by name, short name or pattern; `*` for those of all nodes and processes,
                each line after its log's name; by default the main one.
            tail: How many lines from its end; by default all.

        Raises:
            NotFoundError: The run has no such log.
        """
        return read_logs(self._run, self.log_names(name), tail)

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged: name → value, or list of values."""
        return self._run.metrics()

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""
        return self._run.files()

    def download(
        self,
        folder: str | Path,
        prefix: str = "outputs",
        *,
        on_progress: Callable[[Progress], object] = lambda _: None,
    ) -> Sequence[Path]:
        """Fetch the run's files; what is here already is not fetched again.

        Args:
            folder: Where to put them; their paths in the run are kept below it.
            prefix: Which ones; empty for everything.
            on_progress: Receives how each file comes along, from several threads.

        Returns:
            The files on this machine.
        """
        return download(self._run, Path(folder), prefix, on_progress=on_progress)

    def tag(
        self, tags: Mapping[str, str] | None = None, *, remove: Collection[str] = (), **named: str
    ) -> None:
        """Set tags and take others off: `run.tag(stage="done")`.

        Args:
            tags: Name → value, for names that are no Python names.
            remove: Tags to take off.
            named: Name → value.

        Raises:
            SecretInViewError: A tag holds a credential: everyone who reads the workspace reads it.
        """
        wanted = {**(tags or {}), **named}
        search = guard.Search(guard.own_forms(os.environ))
        held = [
            name
            for name, value in wanted.items()
            if guard.holds_credential(name, value)
            or any(guard.in_texts([("", name), ("", value)], search))
        ]
        if held:
            raise SecretInViewError(
                f"The tag {', '.join(held)} holds a credential, and everyone who can read the "
                "workspace could read it. Nothing was tagged. Take it out."
            )
        self._run.tag(wanted, remove)

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
        reason = f": {details.error}" if details.error else "."
        raise RunCanceledError(f"The run {details.id} was canceled{reason}")
