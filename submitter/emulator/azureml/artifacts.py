"""Artifacts: the files of runs (logs, outputs, uploads), kept as blobs."""

from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.azureml.history import History
from submitter.emulator.blobs import BlobStore
from submitter.emulator.service import Call, Route, Service
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import WORKSPACE_PATH

RUN_ORIGIN = "ExperimentRun"
# The blob container of all artifacts, as in every workspace of Azure.
ARTIFACT_CONTAINER = "azureml"


class Artifacts:
    """Names, addresses and content of artifacts.

    Args:
        access: The workspace's front.
        history: Knows which container a run's files are in.
        blobs: Holds the content.
        shared_access: Signs the addresses.
    """

    def __init__(
        self, access: Access, history: History, blobs: BlobStore, shared_access: SharedAccess
    ) -> None:
        self._access = access
        self._history = history
        self._blobs = blobs
        self._shared_access = shared_access

    def service(self) -> Service:
        """Return the routes of the artifact service, and the run history's views of it."""
        base = f"/artifact/v2.0{WORKSPACE_PATH}/artifacts"
        container = "{origin}/{container}"
        history = f"/history/v1.0{WORKSPACE_PATH}"
        by_name = f"{history}/experiments/{{experiment}}/runs/{{run}}/artifacts"
        by_id = f"{history}/experimentids/{{experiment_id}}/runs/{{run}}/artifacts"
        return self._access.service(
            "artifacts",
            Route("POST", f"{base}/batch/metadata/{container}", self._create_batch),
            Route("GET", f"{base}/contentinfo/{container}/{{path:path}}", self._locate),
            Route("GET", f"{base}/prefix/contentinfo/{container}/{{path:path}}", self._locate_all),
            Route("POST", f"{base}/content/{container}/{{path:path}}", self._write),
            Route("GET", f"{base}/{container}", self._list),
            *(
                route
                for run in (by_name, by_id)
                for route in (
                    Route("GET", run, self._list_of_run),
                    Route("GET", f"{run}/contentinfo", self._locate_in_run),
                    Route("GET", f"{run}/path", self._describe_in_run),
                )
            ),
        )

    def names(self, run_container: str) -> list[str]:
        """Return the paths of a run's files."""
        return self._blobs.names(_blob(RUN_ORIGIN, run_container, ""))

    def file(self, run_container: str, path: str) -> Path:
        """Return the file on disk behind a run's artifact; it may not exist yet."""
        return self._blobs.path(_blob(RUN_ORIGIN, run_container, path))

    def url(self, run_container: str, path: str) -> str:
        """Return a readable address of a run's file."""
        return self._shared_access.url(_blob(RUN_ORIGIN, run_container, path), "r")

    def _create_batch(self, call: Call) -> Response:
        """Announce files about to be uploaded, and hand out their addresses."""
        origin, container = call.parameters["origin"], call.parameters["container"]
        paths = [str(entry["path"]) for entry in (call.json or {}).get("paths", [])]
        return JSONResponse(
            {
                "artifacts": {path: _describe(origin, container, path) for path in paths},
                "artifactContentInformation": {
                    path: self._content(origin, container, path, "racw") for path in paths
                },
                "errors": {},
            }
        )

    def _locate(self, call: Call) -> Response:
        origin, container = call.parameters["origin"], call.parameters["container"]
        path = call.query.get("path") or call.parameters["path"]
        return JSONResponse(self._existing(origin, container, path))

    def _locate_all(self, call: Call) -> Response:
        origin, container = call.parameters["origin"], call.parameters["container"]
        prefix = (call.query.get("path") or call.parameters["path"]).removeprefix("./")
        paths = self._blobs.names(_blob(origin, container, ""))
        return listed(
            [
                self._content(origin, container, path, "r")
                for path in paths
                if path.startswith(prefix)
            ]
        )

    def _write(self, call: Call) -> Response:
        origin, container, path = (call.parameters[key] for key in ("origin", "container", "path"))
        blob = _blob(origin, container, path)
        if call.query.get("append", "").lower() == "true" and self._blobs.exists(blob):
            self._blobs.append(blob, call.body)
        else:
            self._blobs.write(blob, call.body)
        return JSONResponse(_describe(origin, container, path))

    def _list(self, call: Call) -> Response:
        origin, container = call.parameters["origin"], call.parameters["container"]
        paths = self._blobs.names(_blob(origin, container, ""))
        return listed([_describe(origin, container, path) for path in paths])

    def _list_of_run(self, call: Call) -> Response:
        container = self._container_of(call)
        return listed([_describe(RUN_ORIGIN, container, path) for path in self.names(container)])

    def _locate_in_run(self, call: Call) -> Response:
        path = call.query.get("path", "")
        return JSONResponse(self._existing(RUN_ORIGIN, self._container_of(call), path))

    def _describe_in_run(self, call: Call) -> Response:
        container, path = self._container_of(call), call.query.get("path", "")
        self._existing(RUN_ORIGIN, container, path)
        return JSONResponse(_describe(RUN_ORIGIN, container, path))

    def _container_of(self, call: Call) -> str:
        return self._history.run(call.parameters["run"]).data_container_id

    def _existing(self, origin: str, container: str, path: str) -> dict[str, Any]:
        if not self._blobs.exists(_blob(origin, container, path)):
            raise user_error(f"Artifact {origin}/{container}/{path} was not found.")
        return self._content(origin, container, path, "r")

    def _content(self, origin: str, container: str, path: str, permissions: str) -> dict[str, Any]:
        address = self._shared_access.url(_blob(origin, container, path), permissions)
        return {
            "contentUri": address,
            "origin": origin,
            "container": container,
            "path": path,
            "tags": {},
        }


def _blob(origin: str, container: str, path: str) -> str:
    """Return the blob that holds an artifact.

    `Experiment.start_logging` tracks the folder `./outputs`, and uploads its files by that name.
    """
    parts = (part for part in path.split("/") if part not in ("", "."))
    return "/".join((ARTIFACT_CONTAINER, origin, container, *parts))


def _describe(origin: str, container: str, path: str) -> dict[str, Any]:
    return {
        "artifactId": f"{origin}/{container}/{path}",
        "origin": origin,
        "container": container,
        "path": path,
        "etag": '"0"',
        "createdTime": iso(now()),
        "dataPath": None,
        "tags": {},
    }
