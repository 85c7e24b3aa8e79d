"""The execution service: takes a submitted run to a compute target and writes down its fate."""

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator import roles
from submitter.emulator.azureml.access import Access, user_error
from submitter.emulator.azureml.artifacts import Artifacts
from submitter.emulator.azureml.distribution import Distribution, not_played, read_distribution
from submitter.emulator.azureml.environments import CONTENT, Environments
from submitter.emulator.azureml.history import FINAL, Experiment, History, RunRecord
from submitter.emulator.azureml.images import BUILD_LOG
from submitter.emulator.azureml.runs import RUN_TOKEN_SECONDS
from submitter.emulator.azureml.snapshots import Snapshots
from submitter.emulator.compute import Compute
from submitter.emulator.jobs import Failure, Job, JobResult, PreparationError, Rank
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import WORKSPACE_PATH

UPLOADED_FOLDERS = ("outputs", "logs")
TAIL_BYTES = 2000
Environment = Mapping[str, str]


class Execution:
    """Submits runs to the compute targets.

    Args:
        access: The workspace's front.
        history: Where the runs are written down.
        environments: Where an environment that was never registered is, as in Azure.
        snapshots: Holds the runs' source folders.
        artifacts: Takes the runs' logs and outputs.
        compute: Carries runs out.
        environment: Completes the variables that a run was given with those it needs.
        identity: Returns the variables by which the runs of a compute target sign in, if they can.
    """

    def __init__(
        self,
        access: Access,
        history: History,
        environments: Environments,
        snapshots: Snapshots,
        artifacts: Artifacts,
        compute: Compute,
        environment: Callable[[Environment], Environment],
        identity: Callable[[str], Environment],
    ) -> None:
        self._access = access
        self._history = history
        self._environments = environments
        self._snapshots = snapshots
        self._artifacts = artifacts
        self._compute = compute
        self._environment = environment
        self._identity = identity

    def service(self) -> Service:
        """Return the routes of the execution service."""
        base = f"/execution/v1.0{WORKSPACE_PATH}/experiments/{{experiment}}"
        return self._access.service(
            "execution",
            Route("POST", f"{base}/snapshotrun", self._submit),
            Route("POST", f"{base}/runId/{{run}}/cancel", self._cancel_asked),
            Route("POST", f"{base}/runs/{{run}}/cancel", self._cancel_asked),
        )

    def cancel(self, run: RunRecord) -> None:
        """Ask a run to end; one that has ended is left alone."""
        if run.status in FINAL:
            return
        self._history.update(run.run_id, status="CancelRequested")
        self._compute.cancel(run.run_id)

    def _cancel_asked(self, call: Call) -> Response:
        self.cancel(self._history.run(call.parameters["run"]))
        return JSONResponse({})

    def _submit(self, call: Call) -> Response:
        self._access.require(call, roles.SUBMIT)
        sent = call.json or {}
        definition = _in_camel_case(sent.get("Configuration") or {})
        snapshot = str(sent.get("SnapshotId"))
        distribution = _read_what_is_played(definition)
        self._check_target(str(definition.get("target")), distribution.nodes)
        self._snapshots.files(snapshot)
        definition["environment"] = self._registered(definition.get("environment") or {})
        experiment = self._history.create_experiment(call.parameters["experiment"])
        run_id = call.query.get("runId") or f"{experiment.name}_{uuid.uuid4().hex[:16]}"
        if not self._history.add_run(experiment, run_id, call.claims.get("oid")):
            raise Problem(409, "Conflict", f"A run with the id {run_id} exists already.")
        run = self._note_submission(experiment, run_id, definition, snapshot)
        job = self._job(run, definition, distribution, snapshot)
        self._compute.submit(job, _Report(self, run_id))
        return JSONResponse({"runId": run_id})

    def _check_target(self, target: str, nodes: int) -> None:
        """Refuse a target that there is not, or that could never have so many nodes."""
        most = self._compute.targets.get(target)
        if most is None:
            raise user_error(f"Unknown compute target '{target}'.", 400)
        if nodes > most:
            message = (
                f"The run asks for {nodes} nodes, and compute target '{target}' has at most {most}."
            )
            raise user_error(message, 400)

    def _registered(self, environment: Mapping[str, Any]) -> Mapping[str, Any]:
        """Register the environment of a run that has no version yet."""
        name = environment.get("name")
        if not name or environment.get("version"):
            return environment
        content = {key: environment.get(key) for key in CONTENT}
        return {**environment, "version": self._environments.register(name, content).version}

    def _note_submission(
        self, experiment: Experiment, run_id: str, definition: Mapping[str, Any], snapshot: str
    ) -> RunRecord:
        workspace = self._access.workspace
        address = (
            f"{workspace.api_url}/execution/v1.0{workspace.resource_id}"
            f"/experiments/{experiment.name}/runId/{run_id}"
        )
        self._history.patch(
            run_id,
            {
                "displayName": definition.get("displayName"),
                "properties": {
                    "_azureml.ComputeTargetType": "amlctrain",
                    "ContentSnapshotId": snapshot,
                    "ProcessInfoFile": "azureml-logs/process_info.json",
                    "ProcessStatusFile": "azureml-logs/process_status.json",
                },
            },
        )
        return self._history.update(
            run_id,
            status="Queued",
            target=definition["target"],
            script_name=definition.get("script"),
            run_type="azureml.scriptrun",
            run_type_v2={"orchestrator": "Execution", "traits": []},
            cancel_uri=f"{address}/cancel",
            diagnostics_uri=f"{address}/diagnostics",
            definition=definition,
        )

    def _job(
        self,
        run: RunRecord,
        definition: Mapping[str, Any],
        distribution: Distribution,
        snapshot: str,
    ) -> Job:
        self._ranks(run, distribution, 0)  # its logs are there, and empty, while it waits
        registered = (definition.get("environment") or {}).get("environmentVariables") or {}
        per_run = definition.get("environmentVariables") or {}
        given = {name: str(value) for name, value in {**registered, **per_run}.items()}
        limit = definition.get("maxRunDurationSeconds")
        return Job(
            run_id=run.run_id,
            target=str(run.target),
            nodes=distribution.nodes,
            script=definition.get("script"),
            arguments=tuple(str(argument) for argument in definition.get("arguments") or ()),
            command=_command_of(definition),
            environment={
                **self._environment(given),
                **self._identity(str(run.target)),
                **self._run_variables(run),
            },
            lay_out=lambda folder: self._lay_out(folder, run, definition, snapshot),
            ranks=lambda attempt: self._ranks(run, distribution, attempt),
            time_limit=float(limit) if limit else None,
        )

    def _lay_out(
        self, folder: Path, run: RunRecord, definition: Mapping[str, Any], snapshot: str
    ) -> None:
        """Put the snapshot into a node's folder; the image comes first, as in Azure."""
        sent = definition.get("environment") or {}
        name = str(sent.get("name"))
        registered = self._environments.get(name, sent.get("version"))
        if not self._environments.images.build(name, registered.content if registered else sent):
            log = self._artifacts.file(run.data_container_id, BUILD_LOG)
            log.write_text("The emulator was told to let the builds of this image fail.\n")
            message = f"Image build failed. For more details, check log file {BUILD_LOG}."
            raise PreparationError(Failure(message, code="UserError"))
        self._snapshots.extract(snapshot, folder)

    def _ranks(self, run: RunRecord, distribution: Distribution, attempt: int) -> Sequence[Rank]:
        """Make the processes of an attempt, with a log each."""
        ranks = []
        for number, seat in enumerate(distribution.seats()):
            log = self._artifacts.file(run.data_container_id, distribution.log(number, attempt))
            log.touch()
            ranks.append(Rank(seat.node, seat.variables, log))
        return ranks

    def _run_variables(self, run: RunRecord) -> Environment:
        """Return the variables that `Run.get_context` needs, and those scripts look at."""
        workspace = self._access.workspace
        expiry = now() + timedelta(seconds=RUN_TOKEN_SECONDS)
        return {
            "AZUREML_RUN_ID": run.run_id,
            "AZUREML_RUN_TOKEN": self._access.run_token(run.run_id, RUN_TOKEN_SECONDS),
            "AZUREML_RUN_TOKEN_EXPIRY": str(int(expiry.timestamp())),
            "AZUREML_ARM_SUBSCRIPTION": workspace.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
            "AZUREML_ARM_PROJECT_NAME": run.experiment,
            "AZUREML_EXPERIMENT_ID": run.experiment_id,
            "AZUREML_WORKSPACE_ID": workspace.workspace_id,
            "AZUREML_WORKSPACE_SCOPE": workspace.resource_id,
            "AZUREML_EXPERIMENT_SCOPE": f"{workspace.resource_id}/experiments/{run.experiment}",
            "AZUREML_SERVICE_ENDPOINT": workspace.api_url,
            "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": workspace.api_url,
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{workspace.api_url}/discovery",
        }

    def note_status(self, run_id: str, status: str) -> None:
        """Write down how far a run has come, unless it is being cancelled."""
        if self._history.run(run_id).status != "CancelRequested":
            started = {"start_time_utc": iso(now())} if status == "Running" else {}
            self._history.update(run_id, status=status, **started)

    def note_end(self, run_id: str, result: JobResult, folders: Sequence[Path]) -> None:
        """Upload what a run left behind on its nodes and write down how it ended.

        The first node comes last: of files with the same name, its own stays.
        """
        run = self._history.run(run_id)
        for folder in reversed(folders):
            for name in UPLOADED_FOLDERS:
                self._upload(run, folder, name)
        if result.canceled:
            self._history.end(run_id, "Canceled")
        elif result.timed_out:
            # The service cancels what exceeds its limit ("limits.timeout" in the documentation).
            message = "The run exceeded its maximum duration and was cancelled."
            self._history.end(run_id, "Canceled", self._error(message, result))
        elif result.exit_code == 0:
            self._history.end(run_id, "Completed")
        else:
            # What the script itself said with `Run.fail` tells more than its exit code.
            error = run.error or self._error(_explain(result), result)
            self._history.end(run_id, "Failed", error)

    def _upload(self, run: RunRecord, folder: Path, name: str) -> None:
        for file in sorted((folder / name).rglob("*")):
            if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
                path = file.relative_to(folder).as_posix()
                shutil.copyfile(file, self._artifacts.file(run.data_container_id, path))

    def _error(self, message: str, result: JobResult) -> Mapping[str, Any]:
        region = self._access.workspace.region
        error: dict[str, Any] = {
            "code": result.failure.code if result.failure else "UserError",
            "message": message,
            "messageParameters": {},
            "details": [],
        }
        return {"error": error, "environment": region, "location": region, "time": iso(now())}


class _Report:
    """Tells the execution service how a job fares."""

    def __init__(self, execution: Execution, run_id: str) -> None:
        self._execution = execution
        self._run_id = run_id

    def queued(self) -> None:
        self._execution.note_status(self._run_id, "Queued")

    def preparing(self) -> None:
        self._execution.note_status(self._run_id, "Preparing")

    def running(self) -> None:
        self._execution.note_status(self._run_id, "Running")

    def ended(self, result: JobResult, folders: Sequence[Path]) -> None:
        self._execution.note_status(self._run_id, "Finalizing")
        self._execution.note_end(self._run_id, result, folders)


def _in_camel_case(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Write the outer keys of a run configuration as the service returns them."""
    return {key[0].lower() + key[1:]: value for key, value in configuration.items()}


def _command_of(definition: Mapping[str, Any]) -> str | None:
    """Return the shell command of a run, or None for one that runs a script."""
    command = definition.get("command")
    if not command:
        return None
    return command if isinstance(command, str) else " ".join(str(part) for part in command)


def _read_what_is_played(definition: Mapping[str, Any]) -> Distribution:
    """Return how a run is distributed; refuse what would do something else here than in Azure."""
    for inputs in ("data", "dataReferences", "outputData"):
        if definition.get(inputs):
            raise not_played(f"data inputs and outputs of a run ({inputs})")
    return read_distribution(definition)


def _explain(result: JobResult) -> str:
    """Say why a run failed, as Azure ML does: the exit code, then the end of the log."""
    if result.failure:
        return f"The run could not be started: {result.failure.message}"
    assert result.log is not None  # noqa: S101 - a process that ended has a log
    message = f"User program exited with status code {result.exit_code}."
    if result.log.name != "std_log.txt":
        message += f" It was process {result.failed}, whose log is {result.log.name}."
    tail = _tail(result.log)
    return f"{message} The log ends:\n{tail}" if tail else f"{message} The log is empty."


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace").strip()
