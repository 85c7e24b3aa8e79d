"""The model registry: models by name and version, and the assets that they are made of."""

import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from submitter.emulator.azureml.access import user_error
from submitter.emulator.timestamps import iso, now


@dataclass(frozen=True)
class Asset:
    """What a model is made of: prefixes of artifacts.

    Attributes:
        asset_id: Names it; a model's address is `aml://asset/<asset_id>`.
        name: The name of the model that it was made for.
        artifacts: Mappings with a `prefix` (or an `id`) of the form `origin/container/path`.
        run_id: The run that it came out of, if any.
        created_time: When it was made.
    """

    asset_id: str
    name: str
    artifacts: tuple[Mapping[str, Any], ...]
    run_id: str | None
    created_time: str

    def to_wire(self) -> dict[str, Any]:
        """Write the asset as the service returns it."""
        return {
            "id": self.asset_id,
            "name": self.name,
            "artifacts": self.artifacts,
            "runid": self.run_id,
            "createdTime": self.created_time,
            "kvTags": {},
            "properties": {},
            "meta": None,
        }


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: The model's name.
        version: Counts from 1.
        sent: Everything else that the client said about it, in the service's names.
        created_by: The object id of who registered it.
        created_time: When.
        modified_time: When it was changed last.
    """

    name: str
    version: int
    sent: Mapping[str, Any]
    created_by: str | None
    created_time: str
    modified_time: str

    @property
    def model_id(self) -> str:
        """The id by which clients ask for this version."""
        return f"{self.name}:{self.version}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags, which may change."""
        return self.sent.get("kvTags") or {}

    @property
    def properties(self) -> Mapping[str, str]:
        """Its properties, which may only be added to."""
        return self.sent.get("properties") or {}

    def to_wire(self) -> dict[str, Any]:
        """Write the version as the service returns it."""
        return {
            **self.sent,
            "id": self.model_id,
            "name": self.name,
            "version": self.version,
            "kvTags": self.tags,
            "properties": self.properties,
            "datasets": self.sent.get("datasets") or [],
            "createdTime": self.created_time,
            "modifiedTime": self.modified_time,
            "createdBy": {"userObjectId": self.created_by},
        }


@dataclass(frozen=True)
class ModelFilter:
    """Which models a listing is about; an empty filter is about all.

    Attributes:
        name: Only versions of this model.
        run_id: Only those that this run registered.
        framework: Only those of this framework.
        tags: Only those with all of these tags; None stands for any value.
        properties: The same for properties.
        latest_only: Only the latest version of each model.
    """

    name: str | None = None
    run_id: str | None = None
    framework: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    latest_only: bool = False

    def keeps(self, model: ModelVersion) -> bool:
        """Say whether a version passes, its being the latest aside."""
        return (
            self.name in (None, model.name)
            and self.run_id in (None, model.sent.get("runId"))
            and self.framework in (None, model.sent.get("framework"))
            and _has_all(model.tags, self.tags)
            and _has_all(model.properties, self.properties)
        )


class ModelRegistry:
    """All registered models and their assets."""

    def __init__(self) -> None:
        self._assets: dict[str, Asset] = {}
        self._models: dict[str, ModelVersion] = {}
        # A version number is never given twice, not even after a deletion.
        self._counts: dict[str, int] = {}
        self._lock = threading.RLock()

    def add_asset(
        self, name: str, artifacts: Iterable[Mapping[str, Any]], run_id: str | None
    ) -> Asset:
        """Keep a new asset."""
        asset = Asset(uuid.uuid4().hex, name, tuple(artifacts), run_id, iso(now()))
        with self._lock:
            self._assets[asset.asset_id] = asset
        return asset

    def asset(self, asset_id: str) -> Asset:
        """Return an asset.

        Raises:
            Problem: There is none with that id.
        """
        with self._lock:
            if asset_id not in self._assets:
                raise user_error(f"Asset with id {asset_id} was not found.")
            return self._assets[asset_id]

    def register(self, name: str, sent: Mapping[str, Any], created_by: str | None) -> ModelVersion:
        """Add the next version of a model."""
        moment = iso(now())
        with self._lock:
            version = self._counts[name] = self._counts.get(name, 0) + 1
            added = ModelVersion(name, version, sent, created_by, moment, moment)
            self._models[added.model_id] = added
        return added

    def model(self, model_id: str) -> ModelVersion:
        """Return a version of a model.

        Raises:
            Problem: There is none with that id.
        """
        with self._lock:
            if model_id not in self._models:
                raise user_error(f"Model with id {model_id} was not found.")
            return self._models[model_id]

    def models(self, wanted: ModelFilter | None = None) -> list[ModelVersion]:
        """Return the versions that pass a filter, the newest first."""
        wanted = wanted or ModelFilter()
        with self._lock:
            newest_first = list(reversed(self._models.values()))
        if wanted.latest_only:
            latest: dict[str, ModelVersion] = {}
            for model in newest_first:
                latest.setdefault(model.name, model)
            newest_first = list(latest.values())
        return [model for model in newest_first if wanted.keeps(model)]

    def change(self, model_id: str, changes: Mapping[str, Any]) -> ModelVersion:
        """Change what the client said about a model.

        Args:
            model_id: The version.
            changes: New values in the service's names.

        Returns:
            The version after it.

        Raises:
            Problem: There is none with that id, or a property was to get another value.
        """
        with self._lock:
            model = self.model(model_id)
            properties = changes.get("properties") or {}
            for name, value in model.properties.items():
                if properties.get(name, value) != value:
                    message = f"Property '{name}' of model {model_id} is immutable."
                    raise user_error(message, 400)
            if "properties" in changes:
                changes = {**changes, "properties": {**model.properties, **properties}}
            changed = replace(model, sent={**model.sent, **changes}, modified_time=iso(now()))
            self._models[model_id] = changed
            return changed

    def delete(self, model_id: str) -> None:
        """Remove a version; its files stay, as they may be a run's.

        Raises:
            Problem: There is none with that id.
        """
        with self._lock:
            self.model(model_id)
            del self._models[model_id]


def _has_all(present: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(name in present and value in (None, present[name]) for name, value in wanted.items())
