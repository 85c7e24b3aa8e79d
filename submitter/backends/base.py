"""The contract between the laptop and whatever runs jobs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from submitter.environment import EnvironmentDefinition
from submitter.errors import ServiceError
from submitter.job import EnvironmentReference
from submitter.planning import Plan

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
ENDED = frozenset({COMPLETED, FAILED, CANCELED})
LOG_PIECE = 1024 * 1024  # bytes of a log that are asked for at once


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
class Uploaded:
    """How far the upload of a snapshot is.

    Attributes:
        files: Files that the storage has confirmed.
        size: Their bytes.
        all_files: Files that are uploaded: those that are new or changed.
        all_size: Their bytes.
    """

    files: int
    size: int
    all_files: int
    all_size: int


@dataclass(frozen=True)
class RunSummary:
    """A run as a list of runs shows it.

    Attributes:
        id: The run's id.
        experiment: The experiment it belongs to.
        status: Such as Queued, Running, Completed, Failed, Canceled.
        display_name: As set, or as the service made it up.
        created: When it was submitted.
        started: When its command started; `None` before that.
        ended: When it ended; `None` before that.
        compute: The compute target.
        submitted_by: Who submitted it, as the service names them.
        owner: That person's or service principal's object id in Entra.
        tags: As they are now.
    """

    id: str
    experiment: str
    status: str
    display_name: str = ""
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    compute: str = ""
    submitted_by: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether the status is a final one."""
        return self.status in ENDED

    @property
    def queued_seconds(self) -> float | None:
        """Seconds between submission and start, or until now; `None` if it never started."""
        if self.created is None or (self.has_ended and self.started is None):
            return None
        return max(0.0, ((self.started or _now()) - self.created).total_seconds())

    @property
    def running_seconds(self) -> float | None:
        """Seconds between start and end, or until now; `None` if it never started."""
        if self.started is None or (self.has_ended and self.ended is None):
            return None
        return max(0.0, ((self.ended or _now()) - self.started).total_seconds())


@dataclass(frozen=True)
class RunDetails(RunSummary):
    """What the service says of a run at one moment.

    Attributes:
        portal_url: Its page in Azure ML studio.
        error: Why it failed; empty unless it did.
        error_code: Whose fault that was, such as UserError or ServiceError; empty unless it failed.
        logs: Log file → address to read it from, good for minutes to hours.
        properties: What was written down at its start, git information included.
        command: What it runs.
        variables: Its own environment variables, as the workspace shows them to everyone.
        environment: Name and version of its registered environment, such as `flights:3`.
    """

    portal_url: str = ""
    error: str = ""
    error_code: str = ""
    logs: Mapping[str, str] = field(default_factory=dict, repr=False)
    properties: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: str = ""


@dataclass(frozen=True)
class RunQuery:
    """Which runs a list is to hold.

    Attributes:
        experiments: Names; none for every experiment.
        statuses: Such as Failed; none for every status.
        tags: Tags that a run must have; a value of `None` takes any.
        since: Only runs that were submitted after this moment.
        limit: How many at most, the newest first.
    """

    experiments: Collection[str] = ()
    statuses: Collection[str] = ()
    tags: Mapping[str, str | None] = field(default_factory=dict)
    since: datetime | None = None
    limit: int = 20


class ExpiredAddressError(ServiceError):
    """A signed address is no longer good; the run's details have a fresh one."""


class BusyError(ServiceError):
    """A service asked for some patience.

    Args:
        text: What happened.
        seconds: After which it may be asked again, if it said.
    """

    def __init__(self, text: str, seconds: float | None = None) -> None:
        super().__init__(text)
        self.seconds = seconds


class FileChangedError(ServiceError):
    """A file has another content than the one that was begun to be read."""


class FileStream(Protocol):
    """A file of a run, being read from a byte offset on.

    Attributes:
        size: Bytes of the whole file.
        etag: Names this content of the file; another content has another one.
        md5: The content's MD5 in base64; empty if the service does not know it.
        modified: When it was written, in seconds since 1970.
    """

    size: int
    etag: str
    md5: str
    modified: float

    def pieces(self) -> Iterator[bytes]:
        """Yield what follows the offset; raises ServiceError if the connection is cut."""

    def close(self) -> None:
        """Read no further."""


class RemoteRun(Protocol):
    """One run, wherever it runs."""

    @property
    def id(self) -> str:
        """The run's id."""

    def details(self) -> RunDetails:
        """Ask the service how the run stands."""

    def record(self) -> Mapping[str, Any]:
        """Return what the workspace shows of the run: place → text, mapping or list."""

    def environment(self) -> RegisteredEnvironment | None:
        """Return the registered environment that the run uses; `None` if it has none."""

    def status(self, seconds: float | None = None) -> str:
        """Ask for the status alone, which is the cheaper question.

        Args:
            seconds: How long to wait for the answer; by default as long as for any other.
        """

    def sign_in_again(self) -> None:
        """Forget the tokens, so that the next question is asked with fresh ones."""

    def read_log(self, address: str, offset: int) -> bytes:
        """Return what a log has from a byte offset on: at most LOG_PIECE, empty if nothing.

        Raises:
            ExpiredAddressError: The address is no longer good.
            BusyError: The storage asks for patience.
        """

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the run logged."""

    def files(self) -> Sequence[str]:
        """List the files that the run left: outputs and logs."""

    def addresses(self, prefix: str) -> Mapping[str, str]:
        """Return the run's files under a prefix: name → address to read it from."""

    def open_file(self, address: str, offset: int = 0, etag: str = "") -> FileStream:
        """Read a file from a byte offset on.

        Args:
            address: Where it is.
            offset: The first byte that is wanted.
            etag: The content that is wanted, if part of it was read before.

        Raises:
            ExpiredAddressError: The address is no longer good.
            FileChangedError: The file has another content by now.
        """

    def tag(self, tags: Mapping[str, str], remove: Collection[str] = ()) -> None:
        """Set tags and take others off."""

    def cancel(self) -> None:
        """Ask the service to stop the run."""


class Backend(Protocol):
    """A workspace of one service generation."""

    def survey(self, plan: Plan) -> Survey:
        """Look for what a plan needs, with nothing written."""

    def submit(
        self,
        plan: Plan,
        run_id: str,
        on_survey: Callable[[Survey], object] = ...,
        on_upload: Callable[[Uploaded], object] | None = ...,
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

    def runs(self, query: RunQuery) -> Sequence[RunSummary]:
        """List runs, the newest first."""

    def me(self) -> str:
        """Return the object id of whoever is signed in; empty if the token does not say."""

    def register(self, definition: EnvironmentDefinition) -> RegisteredEnvironment:
        """Register an environment; equal content keeps its version."""

    def environment(self, reference: EnvironmentReference) -> RegisteredEnvironment:
        """Look a registered environment up."""

    def environments(self) -> Sequence[RegisteredEnvironment]:
        """List the latest version of each registered environment."""


def _now() -> datetime:
    return datetime.now(timezone.utc)
