"""A run of Azure Machine Learning, through azureml-core (SDK v1)."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from submitter.account import forget_tokens
from submitter.backends.azureml_core.environment import read_back
from submitter.backends.azureml_core.run_record import moment, summary_of
from submitter.backends.azureml_core.signed_files import SignedFiles
from submitter.backends.base import FileStream, RegisteredEnvironment, RunDetails
from submitter.errors import SubmitterError
from submitter.planning import Plan
from submitter.service import ask

_log = logging.getLogger("submitter")


class AzureMLCoreRun:
    """A run, spoken to through azureml-core.

    Args:
        run: The azureml-core `Run`.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._files = SignedFiles()

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self._run.id)

    def describe(self, plan: Plan) -> None:
        """Give the run the plan's names and properties; failing that is no reason to lose it."""
        try:
            ask(f"describe the run {self.id}", lambda: self._describe(plan))
        except SubmitterError as error:
            _log.warning("The run %s has started, but: %s", self.id, error)

    def _describe(self, plan: Plan) -> None:
        job = plan.job
        if job.display_name:
            self._run.display_name = job.display_name
        if job.description:
            self._run.description = job.description
        if job.tags:
            self._run.set_tags(dict(job.tags))
        if plan.properties:
            self._run.add_properties(dict(plan.properties))

    def details(self) -> RunDetails:
        """Ask the service how the run stands."""
        # The first brings the run's record up to date, which holds what the second lacks.
        ask(f"get the tags of {self.id}", self._run.get_tags)
        details = ask(f"get the status of {self.id}", self._run.get_details)
        error = (details.get("error") or {}).get("error") or {}
        definition = details.get("runDefinition") or {}
        environment = definition.get("environment") or {}
        known = asdict(summary_of(self._run))
        known |= {
            "status": details["status"],
            "started": moment(details.get("startTimeUtc")) or known["started"],
            "ended": moment(details.get("endTimeUtc")) or known["ended"],
            "compute": known["compute"] or str(details.get("target") or ""),
        }
        return RunDetails(
            **known,
            portal_url=str(self._run.get_portal_url()),
            error=str(error.get("message", "")),
            error_code=str(error.get("code", "")),
            logs=details.get("logFiles") or {},
            properties=dict(details.get("properties") or {}),
            command=_command_of(definition),
            variables=dict(definition.get("environmentVariables") or {}),
            environment=_named(environment.get("name"), environment.get("version")),
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

    def status(self, seconds: float | None = None) -> str:
        """Ask for the status alone: one request, where the details are four."""
        return str(ask(f"get the status of {self.id}", self._run.get_status, seconds=seconds))

    def sign_in_again(self) -> None:
        """Forget the tokens, so that the next question is asked with fresh ones."""
        forget_tokens(self._run.experiment.workspace)

    def read_log(self, address: str, offset: int) -> bytes:
        """Return what a log has from a byte offset on: at most LOG_PIECE, empty if nothing."""
        return ask(f"read the log of {self.id}", lambda: self._files.read(address, offset))

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged: name → value, or list of values."""
        return dict(ask(f"get the metrics of {self.id}", self._run.get_metrics))

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""
        return sorted(ask(f"list the files of {self.id}", self._run.get_file_names))

    def addresses(self, prefix: str) -> Mapping[str, str]:
        """Return the run's files under a prefix: name → address to read it from."""
        # azureml-core itself knows no public way to the addresses of files that are no logs.
        container = f"ExperimentRun/{self._run._container}/{prefix}"  # noqa: SLF001
        artifacts = self._run._client.artifacts  # noqa: SLF001
        found = ask(
            f"find the files of {self.id}",
            lambda: artifacts.get_files_by_artifact_prefix_id(container),
        )
        return dict(sorted(found))

    def open_file(self, address: str, offset: int = 0, etag: str = "") -> FileStream:
        """Read a file from a byte offset on; see the contract."""
        return self._files.open(address, offset, etag)

    def tag(self, tags: Mapping[str, str], remove: Collection[str] = ()) -> None:
        """Set tags and take others off."""
        if tags:
            ask(f"tag the run {self.id}", lambda: self._run.set_tags(dict(tags)))
        if remove:
            ask(f"take tags off the run {self.id}", lambda: self._run.remove_tags(list(remove)))

    def cancel(self) -> None:
        """Ask the service to stop the run."""
        ask(f"cancel {self.id}", self._run.cancel)


def _command_of(definition: Mapping[str, Any]) -> str:
    command = definition.get("command") or ""
    if isinstance(command, list):
        command = " ".join(map(str, command))
    return (
        str(command)
        or " ".join(
            map(str, (definition.get("script") or "", *(definition.get("arguments") or ())))
        ).strip()
    )


def _named(name: str | None, version: str | None) -> str:
    return ":".join(part for part in (name, version) if part)
