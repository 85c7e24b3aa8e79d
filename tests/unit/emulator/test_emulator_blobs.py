"""Blobs: conditions, blocks, and names that stay inside the store."""

from pathlib import Path

import pytest

from submitter.emulator.blobs import (
    BlobExists,
    BlobNotFound,
    BlobStore,
    Condition,
    ConditionNotMet,
)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """Make an empty store."""
    return BlobStore(tmp_path)


def test_a_blob_is_created_once(blobs: BlobStore) -> None:
    """`If-None-Match: *` lets one writer win."""
    blobs.write("c/b", b"1", Condition(if_none_match="*"))
    with pytest.raises(BlobExists):
        blobs.write("c/b", b"2", Condition(if_none_match="*"))
    assert blobs.read("c/b", 0, 9) == b"1"


def test_a_writer_with_an_old_tag_is_refused(blobs: BlobStore) -> None:
    """Compare and swap: the second of two writers that read the same state loses."""
    read = blobs.write("c/b", b"1")
    written = blobs.write("c/b", b"2", Condition(if_match=read.etag))
    assert written.etag != read.etag
    with pytest.raises(ConditionNotMet):
        blobs.write("c/b", b"3", Condition(if_match=read.etag))
    assert blobs.read("c/b", 0, 9) == b"2"


def test_the_same_bytes_written_again_are_another_version(blobs: BlobStore) -> None:
    """The tag tells writes apart that size and time cannot."""
    assert len({blobs.write("c/b", b"same").etag for _ in range(50)}) == 50


def test_a_deleted_and_rewritten_blob_has_a_new_tag(blobs: BlobStore) -> None:
    """A tag is never used twice."""
    first = blobs.write("c/b", b"1")
    blobs.delete("c/b")
    assert blobs.write("c/b", b"1").etag != first.etag


def test_blocks_make_a_blob_in_the_order_of_the_list(blobs: BlobStore) -> None:
    """Blocks may be staged in any order; unnamed ones are dropped."""
    for block_id, data in (("2", b"b"), ("1", b"a"), ("3", b"unused")):
        blobs.stage_block("c/b", block_id, data)
    blobs.commit_blocks("c/b", ["1", "2"])
    assert blobs.read("c/b", 0, 9) == b"ab"
    with pytest.raises(BlobNotFound, match="block 3"):
        blobs.commit_blocks("c/b", ["3"])


def test_a_failed_commit_leaves_the_blob_alone(blobs: BlobStore) -> None:
    """A list with an unknown block changes nothing."""
    blobs.write("c/b", b"old")
    blobs.stage_block("c/b", "1", b"new")
    with pytest.raises(BlobNotFound):
        blobs.commit_blocks("c/b", ["1", "never"])
    assert blobs.read("c/b", 0, 9) == b"old"


def test_a_file_that_grows_underneath_changes_its_tag(blobs: BlobStore) -> None:
    """A run's live log is appended to directly."""
    before = blobs.write("c/log", b"1")
    with blobs.path("c/log").open("ab") as file:
        file.write(b"2")
    after = blobs.properties("c/log")
    assert (after.size, after.etag != before.etag) == (2, True)


@pytest.mark.parametrize("name", ["../x", "c/../../x", "/etc/passwd", "", "c/\0"])
def test_names_stay_inside_the_store(blobs: BlobStore, name: str) -> None:
    """No name leads to a file outside."""
    with pytest.raises(BlobNotFound):
        blobs.path(name)


def test_names_are_listed_below_a_prefix(blobs: BlobStore) -> None:
    """A prefix is a folder, and other folders are not in it."""
    for name in ("c/run1/a", "c/run1/d/b", "c/run10/x"):
        blobs.write(name, b"")
    assert blobs.names("c/run1") == ["a", "d/b"]
