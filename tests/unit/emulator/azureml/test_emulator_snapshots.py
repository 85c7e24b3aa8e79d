"""Snapshots: trees of new and known files, and paths that lead nowhere else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.snapshots import Snapshots
from submitter.emulator.blobs import BlobStore
from submitter.emulator.entra import Entra
from submitter.emulator.service import Call, Problem
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.workspace import Workspace

Create = Callable[..., None]


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """Make a store with two uploaded files."""
    store = BlobStore(tmp_path / "storage")
    store.write("snapshots/u/0", b"zero")
    store.write("snapshots/u/1", b"one")
    return store


@pytest.fixture
def snapshots(blobs: BlobStore) -> Snapshots:
    """Make an empty set of snapshots."""
    workspace = Workspace("sub", "rg", "ws", "eastus", "id", "tenant", "kv")
    return Snapshots(Access(workspace, Entra("tenant", [])), blobs, SharedAccess("host"))


@pytest.fixture
def create(snapshots: Snapshots) -> Create:
    """Send the request that makes a snapshot."""

    def send(
        snapshot: str, tree: dict[str, Any], new: dict[str, str], parent: str | None = None
    ) -> None:
        nodes = [
            {"FullName": name, "BlobUri": f"https://host/{blob}?sig=x"}
            for name, blob in new.items()
        ]
        body = {
            "ParentSnapshotId": parent,
            "DirTreeNode": {"Children": tree},
            "FileRevisionList": {"FileNodes": nodes},
        }
        routes = snapshots.service().routes
        route = next(route for route in routes if route.path.endswith("/{snapshot}"))
        content = json.dumps(body).encode()
        route.handler(Call("POST", "h", "/", {}, {}, content, {"snapshot": snapshot}))

    return send


FILE = {"Type": "File"}


def test_a_snapshot_builds_upon_its_parent(
    snapshots: Snapshots, create: Create, tmp_path: Path
) -> None:
    """Unchanged files come from the parent, removed ones are gone, changed ones are new."""
    folder = {"Type": "Directory", "Children": {"b": FILE}}
    create("one", {"a": FILE, "d": folder}, {"a": "snapshots/u/0", "d/b": "snapshots/u/0"})
    create("two", {"d": folder}, {"d/b": "snapshots/u/1"}, parent="one")
    assert snapshots.files("two") == {"d/b": "snapshots/u/1"}
    snapshots.extract("two", tmp_path / "out")
    assert (tmp_path / "out/d/b").read_bytes() == b"one"


def test_a_file_that_was_never_uploaded_is_refused(create: Create) -> None:
    """A tree that names an unknown file makes no snapshot."""
    with pytest.raises(Problem, match="'a' of the snapshot was never uploaded"):
        create("one", {"a": FILE}, {})


def test_an_unknown_parent_is_refused(create: Create) -> None:
    """The SDK then forgets its cache and uploads everything."""
    with pytest.raises(Problem, match="Snapshot lost was not found"):
        create("one", {}, {}, parent="lost")


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "a/../../x", "."])
def test_paths_stay_inside_the_snapshot(create: Create, name: str) -> None:
    """No tree writes outside the folder it is laid out in."""
    with pytest.raises(Problem, match="no path inside a snapshot"):
        create("one", {name: FILE}, {name: "snapshots/u/0"})
