"""A run of Azure Machine Learning, through azureml-core (SDK v1)."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import requests

from submitter.backends.azureml_environment import read_back
from submitter.backends.base import LOG_PIECE, RegisteredEnvironment, RunDetails
from submitter.errors import NotFoundError, ServiceError, SubmitterError
from submitter.job import Job
from submitter.service import ask

_HTTP_TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte
_LONGEST_DOWNLOAD = 3600.0  # seconds for one file
_WHOLE = 200  # OK, where 206 Partial Content was expected
_NOTHING_NEW = (404, 416)  # not written yet; Range Not Satisfiable: it ends before the offset

_log = logging.getLogger("submitter")


class AzureMLCoreRun:
    """A run, spoken to through azureml-core.

    Args:
        run: The azureml-core `Run`.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self._run.id)

    def describe(self, job: Job) -> None:
        """Give the run the job's names and properties; failing that is no reason to lose it."""
        try:
            ask(f"describe the run {self.id}", lambda: self._describe(job))
        except SubmitterError as error:
            _log.warning("The run %s has started, but: %s", self.id, error)

    def _describe(self, job: Job) -> None:
        if job.display_name:
            self._run.display_name = job.display_name
        if job.description:
            self._run.description = job.description
        if job.tags:
            self._run.set_tags(dict(job.tags))
        if job.properties:
            self._run.add_properties(dict(job.properties))

    def details(self) -> RunDetails:
        """Ask the service how the run stands."""
        details = ask(f"get the status of {self.id}", self._run.get_details)
        error = (details.get("error") or {}).get("error") or {}
        return RunDetails(
            id=self.id,
            experiment=str(self._run.experiment.name),
            status=details["status"],
            display_name=str(self._run.display_name or ""),
            portal_url=str(self._run.get_portal_url()),
            error=str(error.get("message", "")),
            error_code=str(error.get("code", "")),
            logs=details.get("logFiles") or {},
            tags=dict(self._run.tags or {}),
        )

    def record(self) -> Mapping[str, Any]:
        """Return what the workspace shows of the run: place → text, mapping or list."""
        details = ask(f"read the record of {self.id}", self._run.get_details)
        return {
            "definition": details.get("runDefinition") or {},
            "properties": details.get("properties") or {},
            "tags": dict(self._run.tags or {}),
            "display name": self._run.display_name or "",
            "description": self._run.description or "",
            "experiment": self._run.experiment.name,
            "error": details.get("error") or {},
            "warnings": details.get("warnings") or [],
        }

    def environment(self) -> RegisteredEnvironment | None:
        """Return the registered environment that the run uses; `None` if it has none."""
        details = ask(f"read the definition of {self.id}", self._run.get_details)
        if not (details.get("runDefinition") or {}).get("environment"):
            return None
        return read_back(ask(f"get the environment of {self.id}", self._run.get_environment))

    def read_log(self, address: str, offset: int) -> bytes:
        """Return what a log has from a byte offset on: at most LOG_PIECE, empty if nothing."""
        return ask(f"read the log of {self.id}", lambda: _read_from(address, offset))

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged: name → value, or list of values."""
        return dict(ask(f"get the metrics of {self.id}", self._run.get_metrics))

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""
        return sorted(ask(f"list the files of {self.id}", self._run.get_file_names))

    def download(self, prefix: str, folder: Path) -> Sequence[Path]:
        """Fetch the run's files under a prefix into a folder.

        Args:
            prefix: Such as `outputs`; empty for everything.
            folder: Where to put them; their paths in the run are kept below it.

        Returns:
            The files, as they now are on this machine.

        Raises:
            NotFoundError: The run has no file under the prefix.
        """
        names = [name for name in self.files() if name.startswith(prefix)]
        if not names:
            raise NotFoundError(
                f"The run {self.id} has no files under '{prefix}'. "
                f"It has: {', '.join(self.files()) or 'none'}."
            )
        for name in names:
            ask(
                f"download {name} of {self.id}",
                partial(self._run.download_file, name, output_file_path=str(folder / name)),
                seconds=_LONGEST_DOWNLOAD,
            )
        return [folder / name for name in names]

    def cancel(self) -> None:
        """Ask the service to stop the run."""
        ask(f"cancel {self.id}", self._run.cancel)


def _read_from(address: str, offset: int) -> bytes:
    """Read a piece of a blob; its address carries a signature, which no error may quote."""
    wanted = {"Range": f"bytes={offset}-{offset + LOG_PIECE - 1}"}
    try:
        response = requests.get(address, headers=wanted, timeout=_HTTP_TIMEOUT)
    except requests.RequestException as error:
        raise ServiceError(f"Could not read the log: {type(error).__name__}.") from None
    if response.status_code in _NOTHING_NEW:
        return b""
    if not response.ok:
        raise ServiceError(f"Could not read the log: the storage answered {response.status_code}.")
    if response.status_code == _WHOLE:  # a proxy on the way ignored the range
        return response.content[offset : offset + LOG_PIECE]
    return response.content
