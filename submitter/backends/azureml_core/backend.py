"""A workspace of Azure Machine Learning, through azureml-core (SDK v1)."""

import shlex
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from remote_entry.marked_yaml import nearest
from submitter import snapshot
from submitter.backends.azureml_core.compute import describe_target
from submitter.backends.azureml_core.environment import read_back, to_native
from submitter.backends.azureml_core.git import git_left_to_the_plan
from submitter.backends.azureml_core.limits import refuse_what_v1_cannot_carry
from submitter.backends.azureml_core.permissions import granted_on
from submitter.backends.azureml_core.run import AzureMLCoreRun
from submitter.backends.azureml_core.runs import list_runs, object_id
from submitter.backends.azureml_core.snapshot import SnapshotMemory, watched
from submitter.backends.base import (
    ComputeTarget,
    RegisteredEnvironment,
    RunQuery,
    RunSummary,
    Survey,
    Uploaded,
)
from submitter.environment import EnvironmentDefinition
from submitter.errors import NoAnswerError, NotFoundError, SubmitterError
from submitter.job import EnvironmentReference, Job, TensorFlowDistribution
from submitter.planning import Plan, check_variables
from submitter.service import ask, patience
from submitter.snapshot import SnapshotFile

_LOOKS_FOR_A_RUN = (0.0, 1.0, 3.0)  # seconds before each look for a run that may have started
# The SDK keeps the last snapshot in a file that two submissions at a time would tear.
_SUBMITTING = threading.Lock()
_SLOWEST_UPLOAD = 100_000  # bytes a second: a snapshot gets the time that it would need


class AzureMLCore:
    """A workspace, spoken to through azureml-core.

    Args:
        workspace: The azureml-core `Workspace`.
    """

    def __init__(self, workspace: Any) -> None:
        self._workspace = workspace

    def survey(self, plan: Plan) -> Survey:
        """Look for what a plan needs, with nothing written.

        Args:
            plan: What would be submitted.

        Returns:
            The compute target, and the registered environment that the run would use.

        Raises:
            JobError: The registered environment's variables contradict the job's.
            NotFoundError: The environment or the compute target does not exist.
        """
        job = plan.job
        with ThreadPoolExecutor(max_workers=1) as beside:
            compute = beside.submit(self._compute_of, job)
            registered = self.environment_of(plan)
            survey = Survey(compute.result(), registered)
        if registered:
            check_variables(job, registered.definition.variables)
        return survey

    def files_to_upload(self, plan: Plan) -> Sequence[SnapshotFile]:
        """List the files that are new or changed since this project's last snapshot.

        Nothing is asked of the service. Where nothing is remembered of the project, these are all
        files, though the service may know of a snapshot to build upon.
        """
        memory = SnapshotMemory(self._workspace, plan.code_folder)
        return snapshot.changed(plan.files, memory.known())

    def submit(
        self,
        plan: Plan,
        run_id: str,
        on_survey: Callable[[Survey], object] = lambda _: None,
        on_upload: Callable[[Uploaded], object] | None = None,
    ) -> AzureMLCoreRun:
        """Register the environment if need be, upload the snapshot, start the run.

        Args:
            plan: What to submit.
            run_id: The run's id. It is chosen here, so that a run is known by name even if the
                answer to its start is lost.
            on_survey: Receives what the workspace has, before anything is uploaded.
            on_upload: Receives how far the upload is, from the threads that upload.

        Returns:
            The run, as soon as the service has it.

        Raises:
            JobError: The job asks for what SDK v1 cannot carry.
            NotFoundError: The environment or the compute target does not exist.
            ServiceError: The service did not take the run.
            SnapshotError: A file changed meanwhile, or Azure ML takes fewer files.
        """
        job = plan.job
        refuse_what_v1_cannot_carry(job)
        with ThreadPoolExecutor(max_workers=1) as beside:
            experiment = beside.submit(self._require_experiment, job.experiment)
            survey = self.survey(plan)
            experiment.result()
        on_survey(survey)
        registered = survey.environment or self._register(plan)
        watch: AbstractContextManager[None] = nullcontext()
        if on_upload or len(plan.files) > snapshot.FILE_LIMIT:  # else nobody needs the hashes
            to_send = self.files_to_upload(plan)
            snapshot.refuse_too_many(plan.code_folder, to_send)
            watch = watched(to_send, on_upload) if on_upload else watch
        memory = SnapshotMemory(self._workspace, plan.code_folder)
        with (
            _SUBMITTING,
            snapshot.staged(plan.files) as folder,
            memory.in_use(plan.files),
            git_left_to_the_plan(),
            watch,
        ):
            config = _script_run_config(plan, registered, str(folder))
            submitted = self._start(plan, config, run_id)
        snapshot.warn_of_changes(plan.files)
        submitted.describe(plan)
        return submitted

    def _start(self, plan: Plan, config: Any, run_id: str) -> AzureMLCoreRun:
        # What Experiment.submit does, but for a question about the compute target, asked already.
        from azureml.core.script_run_config import submit

        job = plan.job
        identity = job.identity
        # It names the folder of links, and says "a few minutes" of what is seldom uploaded whole.
        warnings.filterwarnings("ignore", message="Submitting .* directory for run")
        doing = f"submit to the experiment {job.experiment} of {self._workspace.name}"
        try:
            run = ask(
                doing,
                lambda: submit(
                    config,
                    self._workspace,
                    job.experiment,
                    run_id=run_id,
                    credential_passthrough=bool(identity and identity.type == "user_identity"),
                ),
                seconds=patience() + plan.snapshot_size / _SLOWEST_UPLOAD,
            )
        except SubmitterError as error:
            return self._started_all_the_same(run_id, error)
        return AzureMLCoreRun(run)

    def _started_all_the_same(self, run_id: str, error: SubmitterError) -> AzureMLCoreRun:
        """Find the run whose start was answered with an error, or not at all; else raise that."""
        unanswered = isinstance(error, NoAnswerError)
        for seconds in _LOOKS_FOR_A_RUN if unanswered else _LOOKS_FOR_A_RUN[:1]:
            time.sleep(seconds)
            try:
                return self.run(run_id)
            except NotFoundError:
                continue
            except SubmitterError:
                unanswered = True
        if not unanswered:
            raise error
        raise NoAnswerError(
            f"{error} Should it have started all the same, it is: submitter runs show {run_id}"
        ) from error

    def _require_experiment(self, name: str) -> None:
        """Make the experiment unless it is there; its runs' history is kept under it."""
        from azureml.core import Experiment

        ask(
            f"open the experiment {name} of {self._workspace.name}",
            lambda: Experiment(self._workspace, name),
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
        """List runs, the newest first; see `azureml_core.runs.list_runs`."""
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

    def environment_of(self, plan: Plan) -> RegisteredEnvironment | None:
        """Return the registered environment that a plan's run would use.

        Returns:
            The environment; `None` if the plan's own definition is new and would be registered.

        Raises:
            NotFoundError: The plan names one that does not exist.
        """
        wanted = plan.environment
        if isinstance(wanted, EnvironmentReference):
            try:
                return self.environment(wanted)
            except NotFoundError as error:
                raise NotFoundError(f"{plan.job.where('environment')}: {error}") from None
        try:
            latest = self._get_environment(wanted.name)
        except NotFoundError:
            return None
        return latest if latest.definition.content_hash == wanted.content_hash else None

    def has_image(self, environment: RegisteredEnvironment) -> bool:
        """Say whether an environment's image is built."""
        details = ask(
            f"look for the image of {environment.name} in {self._workspace.name}",
            lambda: environment.native.get_image_details(self._workspace),
        )
        return bool(details.image_exist)

    def missing_permissions(self, actions: Sequence[str]) -> Sequence[str]:
        """Return those of the actions that this identity's role does not allow.

        Raises:
            SignInError: The identity may not look at its own permissions.
        """
        granted = ask(
            f"look up this identity's permissions on {self._workspace.name}",
            lambda: granted_on(self._workspace),
        )
        return [action for action in actions if not any(each.allows(action) for each in granted)]

    def compute(self, name: str) -> ComputeTarget:
        """Look a compute target up.

        Raises:
            NotFoundError: The workspace has none of that name.
        """
        from azureml.core.compute import ComputeTarget as NativeTarget
        from azureml.exceptions import ComputeTargetException

        def look_up() -> Any:
            try:
                return NativeTarget(self._workspace, name)
            except ComputeTargetException as error:
                if "ComputeTargetNotFound" in str(error):
                    return None
                raise

        native = ask(f"look up the compute target {name} in {self._workspace.name}", look_up)
        if native is None:
            known = self._compute_names()
            raise NotFoundError(
                f"there is no compute target {name} in {self._workspace.name}."
                f"{nearest(name, known)} It has: {', '.join(known) or 'none'}."
            )
        return describe_target(native)

    def _compute_names(self) -> list[str]:
        return ask(
            f"list the compute targets of {self._workspace.name}",
            lambda: sorted(self._workspace.compute_targets),
        )

    def _compute_of(self, job: Job) -> ComputeTarget:
        try:
            return self.compute(job.compute)
        except NotFoundError as error:
            raise NotFoundError(f"{job.where('compute')}: {error}") from None

    def _register(self, plan: Plan) -> RegisteredEnvironment:
        assert isinstance(plan.environment, EnvironmentDefinition)  # noqa: S101 - a name is found
        return self.register(plan.environment)


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
