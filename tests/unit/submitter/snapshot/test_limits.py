"""What Azure ML refuses is refused before the upload."""

from pathlib import Path, PurePosixPath

import pytest
from azureml._restclient import constants
from support.trees import write

from submitter import snapshot
from submitter.errors import SnapshotError
from submitter.snapshot import SnapshotFile


def test_the_limits_are_the_sdks_own() -> None:
    """They would be measured wrong if a new SDK took more or less."""
    assert constants.SNAPSHOT_MAX_SIZE_BYTES == snapshot.SIZE_LIMIT
    assert constants.SNAPSHOT_MAX_FILES == snapshot.FILE_LIMIT


def test_too_large_a_snapshot_names_its_ten_largest_files(tmp_path: Path) -> None:
    """Largest first, and the way out."""
    write(tmp_path, "train.py")
    for number in range(12):
        with (tmp_path / f"huge {number}.bin").open("wb") as file:
            file.truncate(30_000_000 + number)  # sparse: takes no room on the disk
    with pytest.raises(SnapshotError, match=r"is 360 MB; Azure ML takes at most 315 MB") as caught:
        snapshot.collect(tmp_path)
    named = [line.split("MB  ")[1] for line in str(caught.value).splitlines() if "MB  " in line]
    assert named == [f"huge {number}.bin" for number in range(11, 1, -1)]
    assert "Leave files out with .amlignore" in str(caught.value)


def test_too_many_new_files_name_the_folders_that_hold_most() -> None:
    """Ten of them, the fullest first."""
    files = [
        SnapshotFile(Path("x"), PurePosixPath(f"d{folder}/{number}.csv"), 1)
        for folder in range(12)
        for number in range(200 + folder)
    ]
    with pytest.raises(SnapshotError, match=r"2,466 files .* at most 2,000 at once") as caught:
        snapshot.refuse_too_many(Path("code"), files, environ={})
    rows = [line.split() for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert rows == [[str(200 + folder), f"d{folder}/"] for folder in range(11, 1, -1)]


def test_the_sdks_own_switch_lifts_the_number_of_files() -> None:
    """And up to it nothing is said."""
    files = [SnapshotFile(Path("x"), PurePosixPath(f"{number}"), 1) for number in range(2001)]
    snapshot.refuse_too_many(None, files, environ={"AML_SNAPSHOT_NO_FILE_LIMIT": "1"})
    snapshot.refuse_too_many(None, files[:2000], environ={})
