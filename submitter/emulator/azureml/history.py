"""Run history: experiments and runs, and the rules by which a run may change."""

import re
import threading
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from submitter.emulator.azureml.access import user_error
from submitter.emulator.timestamps import iso, now

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class Experiment:
    """A named group of runs."""

    experiment_id: str
    name: str
    created_utc: str
    description: str | None = None
    archived_time: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Write the experiment as the service returns it."""
        return {
            "experimentId": self.experiment_id,
            "name": self.name,
            "description": self.description,
            "createdUtc": self.created_utc,
            "archivedTime": self.archived_time,
            "tags": self.tags,
            "artifactLocation": None,
        }


@dataclass(frozen=True)
class RunRecord:
    """A run at one moment; the history replaces it when the run changes.

    The names are those of the service's `RunDto` in snake case.

    Attributes:
        experiment: The name of its experiment.
        definition: What was submitted, for runs that a compute target carries out.
    """

    run_id: str
    experiment: str
    experiment_id: str
    run_number: int
    root_run_id: str
    data_container_id: str
    created_utc: str
    status: str = "NotStarted"
    start_time_utc: str | None = None
    end_time_utc: str | None = None
    display_name: str | None = None
    name: str | None = None
    description: str | None = None
    parent_run_id: str | None = None
    hidden: bool = False
    run_type: str | None = None
    run_type_v2: Mapping[str, Any] | None = None
    target: str | None = None
    script_name: str | None = None
    user_id: str | None = None
    created_by: Mapping[str, Any] | None = None
    cancel_uri: str | None = None
    diagnostics_uri: str | None = None
    heartbeat_enabled: bool = False
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    warnings: tuple[Mapping[str, Any], ...] = ()
    definition: Mapping[str, Any] | None = field(default=None, repr=False)

    def to_wire(self) -> dict[str, Any]:
        """Write the run as the service returns it."""
        wire = {_camel(item.name): getattr(self, item.name) for item in fields(self)}
        del wire["experiment"], wire["definition"]
        return wire


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# What a client may say about a run, by the service's name for it. Tags and properties have rules
# of their own; everything else belongs to the service.
_CHANGEABLE: Mapping[str, str] = {
    _camel(name): name
    for name in (
        "display_name",
        "name",
        "description",
        "parent_run_id",
        "hidden",
        "run_type",
        "run_type_v2",
        "target",
        "script_name",
        "cancel_uri",
        "diagnostics_uri",
        "heartbeat_enabled",
        "data_container_id",
        "start_time_utc",
        "end_time_utc",
    )
}


class History:
    """All experiments and runs of the workspace."""

    def __init__(self) -> None:
        self._experiments: dict[str, Experiment] = {}
        self._runs: dict[str, RunRecord] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def experiments(self) -> list[Experiment]:
        """Return all experiments."""
        with self._lock:
            return list(self._experiments.values())

    def experiment(self, name: str) -> Experiment:
        """Return an experiment.

        Raises:
            Problem: There is none of that name.
        """
        with self._lock:
            if name not in self._experiments:
                raise user_error(f"Experiment with name {name} was not found.")
            return self._experiments[name]

    def experiment_by_id(self, experiment_id: str) -> Experiment:
        """Return an experiment.

        Raises:
            Problem: There is none with that id.
        """
        for experiment in self.experiments():
            if experiment.experiment_id == experiment_id:
                return experiment
        raise user_error(f"Experiment with id {experiment_id} was not found.")

    def create_experiment(self, name: str) -> Experiment:
        """Return the experiment of that name, which is made if there is none."""
        with self._lock:
            if name not in self._experiments:
                self._experiments[name] = Experiment(str(uuid.uuid4()), name, iso(now()))
            return self._experiments[name]

    def change_experiment(self, experiment_id: str, sent: Mapping[str, Any]) -> Experiment:
        """Change description and tags of an experiment, archive it or bring it back."""
        with self._lock:
            experiment = self.experiment_by_id(experiment_id)
            archived_time = experiment.archived_time
            if sent.get("archive") is not None:
                archived_time = iso(now()) if sent["archive"] else None
            changed = replace(
                experiment,
                description=sent.get("description") or experiment.description,
                archived_time=archived_time,
                tags={**experiment.tags, **(sent.get("tags") or {})},
            )
            self._experiments[experiment.name] = changed
            return changed

    def remove_experiment_tags(self, experiment_id: str, names: Collection[str]) -> Experiment:
        """Take tags off an experiment."""
        with self._lock:
            experiment = self.experiment_by_id(experiment_id)
            tags = {name: value for name, value in experiment.tags.items() if name not in names}
            changed = self._experiments[experiment.name] = replace(experiment, tags=tags)
            return changed

    def delete_experiment(self, experiment_id: str) -> None:
        """Remove an experiment that has no runs.

        Raises:
            Problem: There is none with that id, or it has runs.
        """
        with self._lock:
            experiment = self.experiment_by_id(experiment_id)
            if any(run.experiment == experiment.name for run in self._runs.values()):
                message = (
                    f"Experiment {experiment.name} has runs; only an empty one can be deleted."
                )
                raise user_error(message, 400)
            del self._experiments[experiment.name]

    def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        with self._lock:
            return list(self._runs.values())

    def run(self, run_id: str) -> RunRecord:
        """Return a run as it is now.

        Raises:
            Problem: There is none with that id.
        """
        with self._lock:
            if run_id not in self._runs:
                raise user_error(f"Run {run_id} was not found.")
            return self._runs[run_id]

    def add_run(self, experiment: Experiment, run_id: str, owner: str | None) -> bool:
        """Make a run; return False, and change nothing, if there is one with that id."""
        with self._lock:
            if run_id in self._runs:
                return False
            self.create_run(experiment, run_id, owner)
            return True

    def create_run(self, experiment: Experiment, run_id: str, owner: str | None) -> RunRecord:
        """Return the run with that id, which is made if there is none."""
        with self._lock:
            if run_id in self._runs:
                return self._runs[run_id]
            number = 1 + sum(run.experiment == experiment.name for run in self._runs.values())
            created = RunRecord(
                run_id=run_id,
                experiment=experiment.name,
                experiment_id=experiment.experiment_id,
                run_number=number,
                root_run_id=run_id,
                data_container_id=f"dcid.{run_id}",
                created_utc=iso(now()),
                display_name=f"{experiment.name}_{number}",
                user_id=owner,
                created_by={"userObjectId": owner, "userName": owner},
            )
            return self._put(created)

    def patch(self, run_id: str, sent: Mapping[str, Any]) -> RunRecord:
        """Change what a client may change about a run.

        Args:
            run_id: The run.
            sent: The changes in the service's names; a null changes nothing.

        Returns:
            The run after it.

        Raises:
            Problem: A property was to get another value; properties are immutable.
        """
        with self._lock:
            run = self.run(run_id)
            changes = {
                attribute: sent[wire_name]
                for wire_name, attribute in _CHANGEABLE.items()
                if sent.get(wire_name) is not None
            }
            # The status of a run that a compute target carries out is the compute target's.
            if sent.get("status") is not None and run.definition is None:
                changes["status"] = sent["status"]
            parent = changes.get("parent_run_id")
            if parent is not None and parent in self._runs:
                changes["root_run_id"] = self._runs[parent].root_run_id
            # A tag may have no value.
            changes["tags"] = {**run.tags, **(sent.get("tags") or {})}
            changes["properties"] = _with_properties(run, sent.get("properties") or {})
            return self._put(replace(run, **changes))

    def update(self, run_id: str, **changes: Any) -> RunRecord:
        """Change a run on the service's own account."""
        with self._lock:
            return self._put(replace(self.run(run_id), **changes))

    def remove_tags(self, run_id: str, names: list[str]) -> RunRecord:
        """Take tags off a run."""
        with self._lock:
            run = self.run(run_id)
            tags = {name: value for name, value in run.tags.items() if name not in names}
            return self._put(replace(run, tags=tags))

    def end(self, run_id: str, status: str, error: Mapping[str, Any] | None = None) -> RunRecord:
        """Give a run its final status; one that has it keeps it."""
        with self._lock:
            run = self.run(run_id)
            if run.status in FINAL:
                return run
            return self._put(
                replace(run, status=status, end_time_utc=iso(now()), error=error or run.error)
            )

    def wait(self, run_id: str, statuses: frozenset[str], timeout: float) -> RunRecord:
        """Wait until a run has one of the statuses, or the time is over; return it as it is."""
        with self._changed:
            self._changed.wait_for(lambda: self.run(run_id).status in statuses, timeout)
            return self.run(run_id)

    def _put(self, run: RunRecord) -> RunRecord:
        self._runs[run.run_id] = run
        self._changed.notify_all()
        return run


def _with_properties(run: RunRecord, added: Mapping[str, str | None]) -> Mapping[str, str]:
    properties = dict(run.properties)
    for name, value in added.items():
        if value is None:
            continue
        if properties.get(name, value) != value:
            raise user_error(
                f"Property '{name}' of run {run.run_id} is set already; properties are immutable. "
                "Use a tag for what changes.",
                400,
            )
        properties[name] = value
    return properties
