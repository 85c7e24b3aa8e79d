"""Registered environments: versioned definitions; the same content keeps its version."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from submitter.emulator import roles
from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.azureml.images import Images, describe
from submitter.emulator.service import Call, Route, Service
from submitter.emulator.workspace import WORKSPACE_PATH


@dataclass(frozen=True)
class EnvironmentVersion:
    """One version of a registered environment.

    Attributes:
        name: The environment's name.
        version: Its version.
        content: The definition as the SDK sent it, without name and version.
    """

    name: str
    version: str
    # Environment variables are part of it, and people do put secrets there.
    content: Mapping[str, Any] = field(repr=False)

    @property
    def definition(self) -> dict[str, Any]:
        """The definition as the service returns it."""
        return {"name": self.name, "version": self.version, **self.content}


# What makes two definitions the same, beside their name.
CONTENT = ("python", "docker", "environmentVariables", "spark", "r", "inferencingStackVersion")


class Environments:
    """The workspace's registered environments.

    Args:
        access: The workspace's front.

    Attributes:
        images: The images that were built of them.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.images = Images()
        self._environments: dict[str, tuple[EnvironmentVersion, ...]] = {}
        self._lock = threading.Lock()

    def service(self) -> Service:
        """Return the routes of the environment service."""
        base = f"/environment/v1.0{WORKSPACE_PATH}/environments"
        named = f"{base}/{{name}}"
        versioned = f"{named}/versions/{{version}}"
        build = f"/environment/v2.0{WORKSPACE_PATH}/environments/{{name}}/versions/{{version}}"
        return self._access.service(
            "environments",
            Route("GET", base, self._list),
            Route("GET", f"{base}/", self._list),
            Route("GET", named, self._get),
            Route("GET", versioned, self._get),
            Route("GET", f"{named}/labels/{{label}}", self._get_labelled),
            Route("GET", f"{versioned}/image", self._get_image),
            Route("POST", f"{build}/image", self._build),
            Route("POST", f"{build}/imageoncompute/{{compute}}", self._build),
            Route("GET", f"{build}/builds/latest", self._get_build),
            Route("PUT", named, self._register),
            Route("PUT", versioned, self._register),
        )

    def get(self, name: str, version: str | None = None) -> EnvironmentVersion | None:
        """Return a version of an environment, the latest by default; None if there is none."""
        with self._lock:
            versions = self._environments.get(name, ())
        for candidate in reversed(versions):
            if version in (None, candidate.version):
                return candidate
        return None

    def all(self) -> Mapping[str, tuple[EnvironmentVersion, ...]]:
        """Return every version of every environment, the latest last."""
        with self._lock:
            return dict(self._environments)

    def register(
        self, name: str, content: Mapping[str, Any], version: str | None = None
    ) -> EnvironmentVersion:
        """Add a version, or return the one that has the same content already.

        Args:
            name: The environment's name.
            content: Its definition.
            version: The version wanted; the service counts on from 1 if there is none.

        Returns:
            The version that now holds the content.
        """
        with self._lock:
            versions = self._environments.get(name, ())
            for known in reversed(versions):
                if known.content == content and version in (None, known.version):
                    return known
            taken = {known.version for known in versions}
            if version is None or version in taken:
                version = str(len(versions) + 1)
            added = EnvironmentVersion(name, version, content)
            self._environments[name] = (*versions, added)
            return added

    def _list(self, _call: Call) -> Response:
        return listed([versions[-1].definition for versions in self.all().values()])

    def _get(self, call: Call) -> Response:
        return JSONResponse(self._asked_for(call).definition)

    def _get_image(self, call: Call) -> Response:
        environment = self._asked_for(call)
        return JSONResponse(
            {
                "imageExistsInRegistry": self.images.is_built(
                    environment.name, environment.content
                ),
                "dockerImage": describe(environment.content),
                "vulnerabilities": None,
            }
        )

    def _build(self, call: Call) -> Response:
        """Take in the order to build an image; clients then ask at the address how it goes."""
        environment = self._asked_for(call)
        workspace = self._access.workspace
        address = (
            f"{workspace.api_url}/environment/v2.0{workspace.resource_id}/environments/"
            f"{quote(environment.name, safe='')}/versions/{environment.version}/builds/latest"
        )
        return JSONResponse({"location": address}, status_code=202)

    def _get_build(self, call: Call) -> Response:
        environment = self._asked_for(call)
        built = self.images.build(environment.name, environment.content)
        return JSONResponse({"status": "Succeeded" if built else "Failed", "logUrl": None})

    def _get_labelled(self, call: Call) -> Response:
        """Return the latest version; the emulator keeps no label but `latest`."""
        if call.parameters["label"].lower() != "latest":
            message = f"The emulator does not play the label '{call.parameters['label']}'."
            raise user_error(message, 400)
        return self._get(call)

    def _asked_for(self, call: Call) -> EnvironmentVersion:
        name, version = call.parameters["name"], call.parameters.get("version")
        found = self.get(name, version)
        if found is None:
            asked = f"Environment '{name}'" + (f" version '{version}'" if version else "")
            raise user_error(f"{asked} was not found in the workspace.")
        return found

    def _register(self, call: Call) -> Response:
        self._access.require(call, roles.REGISTER_ENVIRONMENT)
        sent = call.json or {}
        # The SDK sends some keys in Pascal case and reads all of them in camel case.
        content = {
            "python": sent.get("python"),
            "docker": sent.get("Docker"),
            "environmentVariables": sent.get("EnvironmentVariables"),
            "spark": sent.get("Spark"),
            "r": sent.get("r"),
            "inferencingStackVersion": sent.get("InferencingStackVersion"),
        }
        added = self.register(call.parameters["name"], content, call.parameters.get("version"))
        return JSONResponse(added.definition)
