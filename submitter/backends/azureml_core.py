"""Azure Machine Learning through azureml-core (SDK v1)."""

import shlex
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from submitter import snapshot
from submitter.backends.azureml_environment import read_back, to_native
from submitter.backends.azureml_run import AzureMLCoreRun
from submitter.backends.azureml_runs import list_runs, object_id
from submitter.backends.base import RegisteredEnvironment, RunQuery, RunSummary
from submitter.backends.v1_limits import refuse_what_v1_cannot_carry
from submitter.environment import EnvironmentDefinition
from submitter.errors import NotFoundError, ServiceError
from submitter.job import EnvironmentReference, Job, TensorFlowDistribution
from submitter.marked_yaml import nearest
from submitter.planning import Plan, check_variables
from submitter.service import ask, patience

_SLOWEST_UPLOAD = 100_000  # bytes a second: a snapshot gets the time that it would need


class AzureMLCore:
    """A workspace, spoken to through azureml-core.

    Args:
        workspace: The azureml-core `Workspace`.
    """

    def __init__(self, workspace: Any) -> None:
        self._workspace = workspace

    def submit(self, plan: Plan) -> "AzureMLCoreRun":
        """Register the environment if need be, upload the snapshot, start the run.

        Args:
            plan: What to submit.

        Returns:
            The run, as soon as the service has it.

        Raises:
            JobError: The job asks for what SDK v1 cannot carry.
            NotFoundError: The environment or the compute target does not exist.
            ServiceError: The service did not take the run.
        """
        job = plan.job
        refuse_what_v1_cannot_carry(job)
        registered = self._registered(plan)
        check_variables(job, registered.definition.variables)
        self._require_compute(job)
        # Chosen here, so that a run is known by name even if the answer to its start is lost.
        run_id = job.name or f"{job.experiment}_{int(time.time())}_{uuid.uuid4().hex[:8]}"
        try:
            with tempfile.TemporaryDirectory(prefix="submitter-snapshot-") as folder:
                snapshot.stage(plan.files, Path(folder))
                config = _script_run_config(plan, registered, folder)
                run = ask(
                    f"submit to the experiment {job.experiment} of {self._workspace.name}",
                    lambda: self._start(job, config, run_id),
                    seconds=patience() + plan.snapshot_size / _SLOWEST_UPLOAD,
                )
        except ServiceError as error:
            raise ServiceError(
                f"{error} Should it have started all the same, it is: submitter runs show {run_id}"
            ) from error
        submitted = AzureMLCoreRun(run)
        submitted.describe(job)
        return submitted

    def _start(self, job: Job, config: Any, run_id: str) -> Any:
        from azureml.core import Experiment

        return Experiment(self._workspace, job.experiment).submit(
            config,
            tags=dict(job.tags) or None,
            run_id=run_id,
            credential_passthrough=job.identity is not None
            and job.identity.type == "user_identity",
        )

    def run(self, run_id: str) -> "AzureMLCoreRun":
        """Find a run of the workspace by its id.

        Raises:
            NotFoundError: The workspace has no such run.
        """
        found = ask(
            f"find the run {run_id} in {self._workspace.name}",
            lambda: self._workspace.get_run(run_id),
        )
        return AzureMLCoreRun(found)

    def runs(self, query: RunQuery) -> Sequence[RunSummary]:
        """List runs, the newest first; see `azureml_runs.list_runs`."""
        return list_runs(self._workspace, query)

    def me(self) -> str:
        """Return the object id of whoever is signed in; empty if the token does not say."""
        return object_id(self._workspace)

    def register(self, definition: EnvironmentDefinition) -> RegisteredEnvironment:
        """Register an environment; equal content keeps its version.

        Args:
            definition: What the environment is made of.

        Returns:
            The environment as the workspace knows it.
        """
        native = to_native(definition)
        registered = ask(
            f"register the environment {definition.name} in {self._workspace.name}",
            lambda: native.register(self._workspace),
        )
        return read_back(registered)

    def environment(self, reference: EnvironmentReference) -> RegisteredEnvironment:
        """Look a registered environment up.

        Raises:
            NotFoundError: The workspace has none of that name and version.
        """
        try:
            return self._get_environment(reference.name, reference.version)
        except NotFoundError:
            known = [found.name for found in self.environments()]
            raise NotFoundError(
                f"The environment {reference} is not registered in {self._workspace.name}."
                f"{nearest(reference.name, known)} It has: {', '.join(known) or 'none'}. "
                f"Register it with: submitter env register {reference.name}"
            ) from None

    def environments(self) -> Sequence[RegisteredEnvironment]:
        """List the latest version of each registered environment."""
        from azureml.core import Environment

        natives = ask(
            f"list the environments of {self._workspace.name}",
            lambda: Environment.list(self._workspace),
        )
        return [read_back(natives[name]) for name in sorted(natives)]

    def _get_environment(self, name: str, version: str | None = None) -> RegisteredEnvironment:
        from azureml.core import Environment

        native = ask(
            f"get the environment {name} from {self._workspace.name}",
            lambda: Environment.get(self._workspace, name=name, version=version),
        )
        return read_back(native)

    def _registered(self, plan: Plan) -> RegisteredEnvironment:
        """Reuse the environment whose content is the wanted one; else register it."""
        wanted = plan.environment
        if isinstance(wanted, EnvironmentReference):
            try:
                return self.environment(wanted)
            except NotFoundError as error:
                raise NotFoundError(f"{plan.job.where('environment')}: {error}") from None
        try:
            latest = self._get_environment(wanted.name)
        except NotFoundError:
            return self.register(wanted)
        if latest.definition.content_hash == wanted.content_hash:
            return latest
        return self.register(wanted)

    def _require_compute(self, job: Job) -> None:
        """Ask for the compute target first: the service's own refusal comes after the upload."""
        known = ask(
            f"list the compute targets of {self._workspace.name}",
            lambda: sorted(self._workspace.compute_targets),
        )
        if job.compute not in known:
            raise NotFoundError(
                f"{job.where('compute')}: there is no compute target {job.compute} in "
                f"{self._workspace.name}.{nearest(job.compute, known)} "
                f"It has: {', '.join(known) or 'none'}."
            )


def _script_run_config(plan: Plan, registered: RegisteredEnvironment, folder: str) -> Any:
    from azureml.core import ScriptRunConfig
    from azureml.core.runconfig import DockerConfiguration

    job, resources = plan.job, plan.job.resources
    optional: dict[str, Any] = {}
    if job.limits.timeout:
        optional["max_run_duration_seconds"] = job.limits.timeout
    if resources.shm_size or resources.docker_args:
        docker = DockerConfiguration(use_docker=True)
        docker.shm_size = resources.shm_size or docker.shm_size
        docker.arguments = shlex.split(resources.docker_args or "")
        optional["docker_runtime_config"] = docker
    config = ScriptRunConfig(
        source_directory=folder,
        command=[plan.command],
        compute_target=job.compute,
        environment=registered.native,
        distributed_job_config=_distribution(job),
        **optional,
    )
    config.run_config.environment_variables = dict(plan.variables)
    return config


def _distribution(job: Job) -> Any:
    from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration

    if job.distribution is None or isinstance(job.distribution, TensorFlowDistribution):
        return None
    nodes = job.resources.instance_count
    processes = job.distribution.process_count_per_instance
    if job.distribution.type == "mpi":
        return MpiConfiguration(process_count_per_node=processes, node_count=nodes)
    return PyTorchConfiguration(process_count=processes * nodes, node_count=nodes)
