"""Snapshots: the source folders of runs, each file stored once."""

import shutil
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, user_error
from submitter.emulator.blobs import BlobStore
from submitter.emulator.service import Call, Route, Service
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.workspace import WORKSPACE_PATH

# What a snapshot is: its files by relative path, and the blob that holds each.
Files = Mapping[str, str]


class Snapshots:
    """The snapshots of the workspace.

    A client uploads files to addresses it asks for, then names the tree: new files by the blob they
    went to, unchanged ones by the snapshot it builds upon.

    Args:
        access: The workspace's front.
        blobs: Holds the files.
        shared_access: Signs the addresses.
    """

    def __init__(self, access: Access, blobs: BlobStore, shared_access: SharedAccess) -> None:
        self._access = access
        self._blobs = blobs
        self._shared_access = shared_access
        self._snapshots: dict[str, Files] = {}
        self._lock = threading.Lock()

    def service(self) -> Service:
        """Return the routes of the content service."""
        base = f"/content/v2.0{WORKSPACE_PATH}/snapshots"
        latest = f"/content/v1.0{WORKSPACE_PATH}/snapshots/latest/metadata"
        return self._access.service(
            "snapshots",
            Route("GET", latest, _no_latest),
            Route("POST", f"{base}/getblob", self._hand_out_addresses),
            Route("POST", f"{base}/{{snapshot}}", self._create),
            Route("POST", f"{base}/{{snapshot}}/zip", self._zip),
        )

    def files(self, snapshot_id: str) -> Files:
        """Return the files of a snapshot.

        Raises:
            Problem: There is no such snapshot.
        """
        with self._lock:
            if snapshot_id not in self._snapshots:
                raise user_error(f"Snapshot {snapshot_id} was not found.")
            return self._snapshots[snapshot_id]

    def extract(self, snapshot_id: str, folder: Path) -> None:
        """Lay a snapshot's files out in a folder."""
        for path, blob in self.files(snapshot_id).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blobs.path(blob), target)

    def _hand_out_addresses(self, call: Call) -> Response:
        folder = f"snapshots/{uuid.uuid4().hex}"
        names = [str(name) for name in (call.json or {}).get("FileNames", [])]
        # Numbers for blob names: any file name is safe that way.
        nodes = [
            {"fullName": name, "blobUri": self._shared_access.url(f"{folder}/{number}", "rcw")}
            for number, name in enumerate(names)
        ]
        return JSONResponse({"fileNodes": nodes})

    def _create(self, call: Call) -> Response:
        sent = call.json or {}
        parent = sent.get("ParentSnapshotId")
        known = dict(self.files(parent)) if parent else {}
        for node in sent.get("FileRevisionList", {}).get("FileNodes", []):
            known[node["FullName"]] = unquote(urlsplit(node["BlobUri"]).path).lstrip("/")
        files = {}
        for path in _walk(sent.get("DirTreeNode", {})):
            if path not in known:
                raise user_error(f"File '{path}' of the snapshot was never uploaded.", 400)
            files[path] = known[path]
        with self._lock:
            self._snapshots[call.parameters["snapshot"]] = files
        return JSONResponse({"snapshotId": call.parameters["snapshot"]})

    def _zip(self, call: Call) -> Response:
        snapshot_id = call.parameters["snapshot"]
        archive = f"snapshotzips/{snapshot_id}.zip"
        with zipfile.ZipFile(self._blobs.path(archive), "w", zipfile.ZIP_DEFLATED) as file:
            for path, blob in self.files(snapshot_id).items():
                file.write(self._blobs.path(blob), path)
        return JSONResponse({"zipSasUri": self._shared_access.url(archive, "r")})


def _no_latest(_call: Call) -> Response:
    """Say that there is no snapshot to build upon but those the client remembers itself."""
    return JSONResponse({"id": None, "root": {}})


def _walk(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the paths of all files of a tree."""
    children = node.get("Children") or node.get("children") or {}
    for name, child in children.items():
        path = f"{prefix}{name}"
        if any(part in ("", ".", "..") for part in path.split("/")) or _is_absolute(path):
            raise user_error(f"'{path}' is no path inside a snapshot.", 400)
        kind = str(child.get("Type") or child.get("type")).lower()
        if kind in ("directory", "1"):
            yield from _walk(child, f"{path}/")
        else:
            yield path


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute()
