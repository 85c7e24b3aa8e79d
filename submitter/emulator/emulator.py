"""The emulator's public face: start, stop, and a look at what happened."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from submitter.emulator.assembly import Machinery
from submitter.emulator.azureml.environments import EnvironmentVersion
from submitter.emulator.azureml.history import FINAL, RunRecord
from submitter.emulator.config import Config
from submitter.emulator.config_file import load_config, parse_config
from submitter.emulator.errors import EmulatorError
from submitter.emulator.faults import Faults
from submitter.emulator.jobs import Failure
from submitter.emulator.journal import Journal, RequestRecord
from submitter.emulator.vault import Vault

if TYPE_CHECKING:
    from submitter.emulator.sqlserver import SqlServer


class Emulator:
    """An Azure that runs on this machine, for unmodified SDKs and drivers.

    ```python
    with Emulator("emulator.yml") as azure:
        subprocess.run([sys.executable, "train.py"], env={**os.environ, **azure.environ})
    ```

    Args:
        config: What to play: a `Config`, the path of an `emulator.yml`, its content as a mapping,
            or None for the defaults.
        state: A folder for blobs, runs and logs that stays after `stop`; by default a private
            temporary folder that does not.
        python: The interpreter that stands for the environments of runs.

    Raises:
        ConfigError: The configuration is wrong.

    Attributes:
        config: What is played.
        faults: Rules that make the HTTP services fail; the SQL Server has its own.
    """

    def __init__(
        self,
        config: Config | str | os.PathLike[str] | Mapping[str, object] | None = None,
        *,
        state: Path | None = None,
        python: str = sys.executable,
    ) -> None:
        self.config = _read_config(config)
        self.faults = Faults()
        self._kept_state = state
        self._python = python
        self._journal = Journal()
        self._latency = 0.0
        self._running: Machinery | None = None

    def start(self) -> "Emulator":
        """Start every service.

        Returns:
            The emulator itself.

        Raises:
            EmulatorError: A service cannot be started.
        """
        if self._running is None:
            self._running = Machinery(
                self.config, self._kept_state, self._python, self.faults, self._journal
            )
            self._running.application.latency = self._latency
        return self

    def stop(self) -> None:
        """End runs, servers and threads; stopping twice is fine."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> "Emulator":  # noqa: PYI034 - typing.Self came with Python 3.11
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that point a program at the emulator and sign it in."""
        return self._started.environ

    @property
    def workspace(self) -> Mapping[str, str]:
        """The content of `.azureml/config.json` for the played workspace."""
        workspace = self.config.workspace
        return {
            "subscription_id": workspace.subscription_id,
            "resource_group": workspace.resource_group,
            "workspace_name": workspace.name,
        }

    @property
    def config_file(self) -> Path:
        """A `config.json` for `Workspace.from_config(path)`, inside the emulator's state."""
        return self.write_workspace_config(self._started.state.path / "config")

    def write_workspace_config(self, folder: str | os.PathLike[str]) -> Path:
        """Write `.azureml/config.json` into a folder, where a plain `from_config()` finds it.

        Args:
            folder: The folder, or one above those that programs are started in.

        Returns:
            The file.
        """
        file = Path(folder) / ".azureml" / "config.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.workspace, indent=4) + "\n", encoding="utf-8")
        return file

    @property
    def latency(self) -> float:
        """Seconds added to every HTTP request, for measurements."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds
        if self._running is not None:
            self._running.application.latency = seconds

    @property
    def sql(self) -> "SqlServer":
        """The SQL Server.

        Raises:
            EmulatorError: The configuration has none, or the emulator is not running.
        """
        if self._started.sql is None:
            raise EmulatorError("This configuration plays no SQL Server (sql: null).")
        return self._started.sql

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """The requests answered so far, the oldest first."""
        return list(self._journal.requests)

    @property
    def egress(self) -> list[str]:
        """Connections refused because they would have left the machine."""
        return self._journal.egress

    @property
    def unknown_routes(self) -> list[str]:
        """Requests for things that the emulator does not play."""
        return self._journal.unknown_routes

    def vault(self, name: str) -> Vault:
        """Return a vault, to read its secrets or change them behind everyone's back.

        Raises:
            KeyError: There is none of that name.
        """
        return self._started.vaults[name]

    def managed_identity(self, name: str) -> Mapping[str, str]:
        """Return the variables that a run on a compute target with this identity has.

        Args:
            name: The managed identity's name in the configuration.

        Raises:
            KeyError: There is none of that name.
        """
        return self._started.identities.environment(name)

    @property
    def runs(self) -> Sequence[RunRecord]:
        """All runs as they are now, the oldest first."""
        return self._started.history.runs()

    def run(self, run_id: str) -> RunRecord:
        """Return a run as it is now.

        Raises:
            KeyError: There is none with that id.
        """
        for run in self.runs:
            if run.run_id == run_id:
                return run
        raise KeyError(run_id)

    def wait_for_run(
        self, run_id: str, statuses: frozenset[str] = FINAL, timeout: float = 60.0
    ) -> RunRecord:
        """Wait, without polling, until a run has one of the statuses.

        Args:
            run_id: The run.
            statuses: The statuses waited for; by default those of a run that is over.
            timeout: Seconds to wait at most.

        Returns:
            The run as it is then.
        """
        return self._started.history.wait(run_id, statuses, timeout)

    def preempt(self, run_id: str) -> None:
        """Take its nodes from a run on low-priority nodes, as Azure does when it needs them.

        The run is killed and waits, before all others, to be started again from its beginning.

        Raises:
            ValueError: The run does not run, or its compute target is not `lowpriority`.
        """
        target = self._started.computes.get(str(self.run(run_id).target))
        if target is None or target.vm_priority != "lowpriority":
            raise ValueError(f"{run_id} is not on a compute target with vm_priority: lowpriority")
        self._started.compute.preempt(run_id)

    def fail_next_run(
        self,
        target: str,
        message: str = "The node failed to start.",
        code: str = "ServiceError",
        times: int = 1,
    ) -> None:
        """Let the next runs that get nodes of a compute target fail before their program starts.

        Args:
            target: The compute target.
            message: What the run's error says.
            code: Its code: `ServiceError` is not the user's fault, `UserError` is.
            times: How many runs fail.
        """
        self._started.compute.fail_next(target, Failure(message, code), times)

    def break_image(self, environment: str) -> None:
        """Let every image build of an environment fail, and with it the runs that need it."""
        self._started.environments.images.break_builds(environment)

    def expire_leases(self) -> None:
        """Let the time of every lease on a blob run out, as if its holder had not renewed it."""
        with self._started.blobs.lock:
            self._started.blobs.leases.expire()

    def metrics(self, run_id: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what a run has logged, by metric."""
        return self._started.metrics.values(run_id)

    @property
    def environments(self) -> Mapping[str, tuple[EnvironmentVersion, ...]]:
        """Every version of every registered environment, the latest last."""
        return self._started.environments.all()

    @property
    def _started(self) -> Machinery:
        if self._running is None:
            raise EmulatorError("The emulator is not running: call start(), or use it in a with.")
        return self._running


def _read_config(config: Config | str | os.PathLike[str] | Mapping[str, object] | None) -> Config:
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return parse_config(config)
    return load_config(config)
