"""What would be uploaded."""

import os
from pathlib import Path

import pytest
from azureml._base_sdk_common.merkle_tree import create_merkletree
from support.trees import write

from submitter import snapshot
from submitter.errors import SnapshotError


def test_the_hash_is_the_sdks_own(tmp_path: Path) -> None:
    """Otherwise all would look changed."""
    write(tmp_path, "ünï.txt")
    (tmp_path / "large.bin").write_bytes(bytes(3_000_000))
    files = {file.path.name: file for file in snapshot.collect(tmp_path).files}
    tree = create_merkletree(str(tmp_path), lambda _: False)
    for node in tree.children:
        assert snapshot.content_hash(files[node.name]) == node.hexdigest_hash


def test_content_decides_and_not_its_time(tmp_path: Path) -> None:
    """A touched file is not uploaded again; an equal one under another name is."""
    write(tmp_path, "a.py", "b.py")
    known = {str(file.path): snapshot.content_hash(file) for file in collect(tmp_path)}
    assert snapshot.changed(collect(tmp_path), known) == ()
    os.utime(tmp_path / "a.py", (1, 1))
    assert snapshot.changed(collect(tmp_path), known) == ()
    (tmp_path / "b.py").write_text("new")
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    assert [str(file.path) for file in snapshot.changed(collect(tmp_path), known)] == [
        *("b.py", "c.py")
    ]


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    """Not with a traceback."""
    write(tmp_path, "a.py")
    files = collect(tmp_path)
    (tmp_path / "a.py").unlink()
    with pytest.raises(SnapshotError, match=r"a\.py cannot be read: No such file"):
        snapshot.changed(files, {})


def collect(folder: Path) -> tuple[snapshot.SnapshotFile, ...]:
    """Return all files that travel."""
    return snapshot.collect(folder).files
