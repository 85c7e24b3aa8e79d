"""What a run needs of the workspace: machines, an environment and its image."""

from typing import Any

from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.base import ComputeTarget, RegisteredEnvironment
from submitter.doctor.walk import Finding, Walk
from submitter.environment import EnvironmentDefinition
from submitter.errors import InputError, ServiceError
from submitter.planning import Plan


class Machines:
    """Looks for a plan's compute target and environment.

    Args:
        plan: The plan.
        walk: Reports the hops.

    Attributes:
        registered: The environment that the run would use; None if it would be registered first.
    """

    def __init__(self, plan: Plan, walk: Walk) -> None:
        self._plan = plan
        self._walk = walk
        self.registered: RegisteredEnvironment | None = None

    def go(self, workspace: Any) -> None:
        """Try each hop.

        Args:
            workspace: The azureml-core `Workspace`; None if it did not open.
        """
        self._backend = AzureMLCore(workspace)
        self._walk.hop(
            "compute",
            self._look_at_compute,
            fix="name a compute target that is there, or have one made in Azure ML studio",
            needs=("job file", "workspace"),
        )
        self._walk.hop(
            "environment",
            self._look_for_environment,
            fix="register it with: submitter env register NAME --folder docker",
            needs=("job file", "workspace"),
        )
        self._walk.hop(
            "image",
            self._look_for_image,
            fix="try again; the first run builds what is missing",
            needs=("environment",),
        )

    def _look_at_compute(self) -> str:
        target = self._backend.compute(self._plan.job.compute)
        wanted = self._plan.job.resources.instance_count
        found = _describe(target, wanted)
        if target.state != "Succeeded":
            raise Finding(
                f"{found}; its state is {target.state}: runs wait there for ever",
                kind="compute.unusable",
                fix="look at its page in Azure ML studio, repair it or choose another one",
                exit_code=ServiceError.exit_code,
            )
        if target.most_nodes is not None and wanted > target.most_nodes:
            raise Finding(
                f"{found}; it grows to {target.most_nodes}",
                kind="compute.too-small",
                fix=f"set resources.instance_count to {target.most_nodes} at most, or have the "
                "cluster's maximum raised",
                exit_code=InputError.exit_code,
            )
        if target.problems:
            enough = (target.nodes or 0) >= wanted
            raise Finding(
                f"{found}; it reports: {'; '.join(target.problems)}",
                kind="compute.cannot-grow",
                fix="ask for more quota in Azure ML studio ('Quota'), or choose another target",
                exit_code=0 if enough else ServiceError.exit_code,
            )
        return found

    def _look_for_environment(self) -> str:
        self.registered = self._backend.environment_of(self._plan)
        if self.registered is None:
            assert isinstance(self._plan.environment, EnvironmentDefinition)  # noqa: S101 - not found
            return f"{self._plan.environment.name} (inline) is new: submit will register it"
        return f"azureml:{self.registered.name}:{self.registered.version} is registered"

    def _look_for_image(self) -> str:
        if self.registered and self._backend.has_image(self.registered):
            return "built"
        raise Finding(
            "not built yet",
            kind="image.missing",
            fix="nothing: the first run builds it, and waits some minutes for that; should the "
            "build fail, its log is azureml-logs/20_image_build_log.txt of the run",
            exit_code=0,
        )


def _describe(target: ComputeTarget, wanted: int) -> str:
    parts = [target.name, target.vm_size or target.kind]
    if target.low_priority:
        parts.append("low priority: Azure may take its nodes away")
    if target.most_nodes is not None:
        parts.append(
            f"{target.nodes or 0} of {target.most_nodes} nodes up, {target.idle_nodes or 0} idle"
        )
    return f"{', '.join(parts)}; the job needs {wanted}"
