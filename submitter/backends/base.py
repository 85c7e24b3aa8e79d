"""The contract between the laptop and whatever runs jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from submitter.environment import EnvironmentDefinition
from submitter.job import EnvironmentReference
from submitter.planning import Plan

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
ENDED = frozenset({COMPLETED, FAILED, CANCELED})
LOG_PIECE = 4 * 1024 * 1024  # bytes of a log that are asked for at once


@dataclass(frozen=True)
class RegisteredEnvironment:
    """An environment that a workspace knows.

    Attributes:
        name: Its name.
        version: The version that the service gave it.
        definition: What it is made of.
        native: The SDK's own object, for the backend that made this one.
    """

    name: str
    version: str
    definition: EnvironmentDefinition
    native: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class ComputeTarget:
    """A compute target as the workspace describes it now.

    Attributes:
        name: Its name.
        kind: Such as AmlCompute or ComputeInstance.
        state: Its provisioning state; Succeeded if it can be used.
        vm_size: The machines it is made of, such as STANDARD_D2_V2; empty if it has no such size.
        nodes: How many nodes are up; `None` for what does not scale.
        most_nodes: How many it can grow to; `None` for what does not scale.
        idle_nodes: How many of those that are up have nothing to do; `None` likewise.
        low_priority: Whether the service may take its nodes away.
        problems: What keeps it from growing, such as a quota, in the service's words.
    """

    name: str
    kind: str
    state: str
    vm_size: str = ""
    nodes: int | None = None
    most_nodes: int | None = None
    idle_nodes: int | None = None
    low_priority: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """What a workspace has of what a plan needs.

    Attributes:
        compute: The plan's compute target.
        environment: The registered environment that the run will use; `None` if the plan's own
            definition is new and will be registered.
    """

    compute: ComputeTarget
    environment: RegisteredEnvironment | None


@dataclass(frozen=True)
class RunDetails:
    """What the service says of a run at one moment.

    Attributes:
        id: The run's id.
        experiment: The experiment it belongs to.
        status: Such as Queued, Running, Completed, Failed, Canceled.
        display_name: As set, or as the service made it up.
        portal_url: Its page in Azure ML studio.
        error: Why it failed; empty unless it did.
        error_code: Whose fault that was, such as UserError or ServiceError; empty unless it failed.
        logs: Log file → address to read it from, good for minutes to hours.
        tags: As they are now.
    """

    id: str
    experiment: str
    status: str
    display_name: str = ""
    portal_url: str = ""
    error: str = ""
    error_code: str = ""
    logs: Mapping[str, str] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether the status is a final one."""
        return self.status in ENDED


class RemoteRun(Protocol):
    """One run, wherever it runs."""

    @property
    def id(self) -> str:
        """The run's id."""

    def details(self) -> RunDetails:
        """Ask the service how the run stands."""

    def read_log(self, address: str, offset: int) -> bytes:
        """Return what a log has from a byte offset on: at most LOG_PIECE, empty if nothing."""

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged."""

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""

    def download(self, prefix: str, folder: Path) -> Sequence[Path]:
        """Fetch the run's files under a prefix into a folder."""

    def cancel(self) -> None:
        """Ask the service to stop the run."""


class Backend(Protocol):
    """A workspace of one service generation."""

    def survey(self, plan: Plan) -> Survey:
        """Look for what a plan needs, with nothing written."""

    def submit(
        self, plan: Plan, run_id: str, on_survey: Callable[[Survey], object] = ...
    ) -> RemoteRun:
        """Carry a plan out up to the moment in which the service has the run."""

    def run(self, run_id: str) -> RemoteRun:
        """Find a run again."""

    def compute(self, name: str) -> ComputeTarget:
        """Look a compute target up."""

    def environment_of(self, plan: Plan) -> RegisteredEnvironment | None:
        """Return the registered environment that a plan's run would use, if it is there."""

    def has_image(self, environment: RegisteredEnvironment) -> bool:
        """Say whether an environment's image is built."""

    def missing_permissions(self, actions: Sequence[str]) -> Sequence[str]:
        """Return those of the actions that this identity's role on the workspace does not allow."""

    def register(self, definition: EnvironmentDefinition) -> RegisteredEnvironment:
        """Register an environment; equal content keeps its version."""

    def environment(self, reference: EnvironmentReference) -> RegisteredEnvironment:
        """Look a registered environment up."""

    def environments(self) -> Sequence[RegisteredEnvironment]:
        """List the latest version of each registered environment."""
