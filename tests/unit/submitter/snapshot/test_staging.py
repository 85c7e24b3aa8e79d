"""The folder that is uploaded."""

import logging
import os
from pathlib import Path

import pytest
from support.trees import write

from submitter import snapshot
from submitter.errors import SnapshotError
from submitter.snapshot import Snapshot

OTHER_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 - any will do


@pytest.fixture
def found(tmp_path: Path) -> Snapshot:
    """Collect a project with a link in it."""
    write(tmp_path, "code/a b.txt", "code/sub/c.txt", "beside.csv")
    (tmp_path / "code/link.csv").symlink_to("../beside.csv")
    return snapshot.collect(tmp_path / "code")


def test_the_files_are_laid_out_and_go_away_again(found: Snapshot, tmp_path: Path) -> None:
    """Contents and paths are those of the plan; a link holds what it pointed at."""
    with snapshot.staged(found.files) as folder:
        assert (folder / "a b.txt").read_text() == "code/a b.txt"
        assert (folder / "sub/c.txt").read_text() == "code/sub/c.txt"
        assert (folder / "link.csv").read_text() == "beside.csv"
        assert not (folder / "link.csv").is_symlink()
        assert (folder / "remote_entry/__init__.py").exists()
    assert not folder.exists()
    assert (tmp_path / "code/a b.txt").read_text() == "code/a b.txt"
    assert (tmp_path / "beside.csv").exists()


def test_a_file_that_is_replaced_during_the_upload_travels_as_it_was(
    found: Snapshot, tmp_path: Path
) -> None:
    """An editor or `git checkout` puts a new file there; what was hashed is what is sent."""
    with snapshot.staged(found.files) as folder:
        write(tmp_path, "new")
        (tmp_path / "new").replace(tmp_path / "code/a b.txt")
        assert (folder / "a b.txt").read_text() == "code/a b.txt"


@pytest.mark.skipif(
    not OTHER_FILE_SYSTEM.is_dir() or OTHER_FILE_SYSTEM.stat().st_dev == Path.cwd().stat().st_dev,
    reason="there is no second file system",
)
def test_another_file_system_gets_links_too(
    found: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied, however large."""
    monkeypatch.setattr("tempfile.tempdir", str(OTHER_FILE_SYSTEM))
    with snapshot.staged(found.files) as folder:
        assert folder.parent == OTHER_FILE_SYSTEM
        assert (folder / "a b.txt").is_symlink()
        assert (folder / "link.csv").read_text() == "beside.csv"


@pytest.mark.parametrize("change", ["write", "unlink"])
def test_a_file_that_changes_before_it_is_laid_out_is_named(
    found: Snapshot, tmp_path: Path, change: str
) -> None:
    """What was looked at is what travels."""
    file = tmp_path / "code/sub/c.txt"
    file.write_text("other") if change == "write" else file.unlink()
    with (
        pytest.raises(SnapshotError, match=r"sub/c\.txt changed or vanished while"),
        snapshot.staged(found.files),
    ):
        pass


def test_a_file_that_changes_while_it_is_uploaded_is_named(
    found: Snapshot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is there by then: a warning says what to distrust."""
    snapshot.warn_of_changes(found.files)
    assert not caplog.records
    os.utime(tmp_path / "code/sub/c.txt", (1, 1))
    with caplog.at_level(logging.WARNING):
        snapshot.warn_of_changes(found.files)
    assert "may have the old or the new content: sub/c.txt" in caplog.text


@pytest.mark.parametrize("place", ["/nowhere/at/all", "/proc/self"])
def test_no_place_to_lay_them_out_is_said(
    found: Snapshot, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """With what is needed."""
    monkeypatch.setattr("tempfile.tempdir", place)
    with (
        pytest.raises(SnapshotError, match=rf"cannot be laid out in {place}.*set TMPDIR"),
        snapshot.staged(found.files),
    ):
        pass
