"""Which files travel."""

from pathlib import Path

import pytest

from submitter import snapshot
from submitter.errors import SnapshotError


def own_files(folder: Path) -> list[str]:
    """Return the paths that travel, without remote_entry's."""
    files = snapshot.collect(folder)
    return [str(file.path) for file in files if file.path.parts[0] != "remote_entry"]


def write(folder: Path, *names: str) -> None:
    """Make files, with the folders around them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_remote_entry_travels_beside_the_code(tmp_path: Path) -> None:
    """The run needs no image that holds this package."""
    write(tmp_path, "train.py")
    paths = [str(file.path) for file in snapshot.collect(tmp_path)]
    assert "train.py" in paths
    assert "remote_entry/__main__.py" in paths
    assert not [path for path in paths if "__pycache__" in path]


def test_a_job_without_code_brings_remote_entry_alone() -> None:
    """A command may need no file at all."""
    assert {file.path.parts[0] for file in snapshot.collect(None)} == {"remote_entry"}


def test_amlignore_wins_over_gitignore(tmp_path: Path) -> None:
    """Azure ML reads .gitignore only where there is no .amlignore."""
    write(tmp_path, "a.py", "b.csv", "data/c.csv", "keep.csv")
    (tmp_path / ".gitignore").write_text("*.py\n")
    assert own_files(tmp_path) == ["b.csv", "data/c.csv", "keep.csv"]
    (tmp_path / ".amlignore").write_text("*.csv\n!keep.csv\n")
    assert own_files(tmp_path) == ["a.py", "keep.csv"]


def test_some_things_never_travel(tmp_path: Path) -> None:
    """Not the repository, not an environment under any name, and never a .env file."""
    write(
        tmp_path,
        *("train.py", ".env", ".env.local", "sub/.env", ".git/config", "__pycache__/a.pyc"),
        *("my env/pyvenv.cfg", "my env/lib/x.py", "node_modules/a.js", ".azureml/config.json"),
    )
    assert own_files(tmp_path) == ["train.py"]


def test_names_with_spaces_and_accents_are_kept(tmp_path: Path) -> None:
    """A path in the run is the path on the laptop."""
    write(tmp_path, "a b.txt", "ünï/漢字.txt")
    assert own_files(tmp_path) == ["a b.txt", "ünï/漢字.txt"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """A link travels as what it points at; one to a folder above ends there."""
    write(tmp_path, "code/train.py", "shared/tool.py")
    (tmp_path / "code/tools").symlink_to(tmp_path / "shared")
    (tmp_path / "code/up").symlink_to(tmp_path / "code")
    (tmp_path / "code/broken").symlink_to(tmp_path / "nowhere")
    assert own_files(tmp_path / "code") == ["tools/tool.py", "train.py"]


def test_a_link_to_a_neighbour_takes_nothing_away(tmp_path: Path) -> None:
    """Both the folder and the link to it travel."""
    write(tmp_path, "zzz/a.py")
    (tmp_path / "aaa").symlink_to(tmp_path / "zzz")
    assert own_files(tmp_path) == ["aaa/a.py", "zzz/a.py"]


def test_an_ignore_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Not with a traceback."""
    (tmp_path / ".amlignore").write_bytes(b"\xff\n")
    with pytest.raises(SnapshotError, match=r"\.amlignore cannot be read"):
        snapshot.collect(tmp_path)


def test_too_large_a_snapshot_names_its_largest_files(tmp_path: Path) -> None:
    """Before a byte is uploaded."""
    write(tmp_path, "train.py")
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(snapshot.SIZE_LIMIT + 1)  # sparse: takes no room on the disk
    with pytest.raises(
        SnapshotError, match=r"at most\s+315 MB.*\n.*314\.6 MB  huge\.bin"
    ) as caught:
        snapshot.collect(tmp_path)
    assert ".amlignore" in str(caught.value)


def test_a_remote_entry_of_the_users_own_is_refused(tmp_path: Path) -> None:
    """Two packages of one name cannot travel."""
    write(tmp_path, "remote_entry/__init__.py")
    with pytest.raises(SnapshotError, match="Rename yours"):
        snapshot.collect(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """`code` is relative to the job file."""
    with pytest.raises(SnapshotError, match="no folder .*src"):
        snapshot.collect(tmp_path / "src")


def test_staging_lays_the_files_out(tmp_path: Path) -> None:
    """Contents and paths are those of the plan."""
    write(tmp_path, "code/a b.txt", "code/sub/c.txt")
    target = tmp_path / "staged"
    target.mkdir()
    snapshot.stage(snapshot.collect(tmp_path / "code"), target)
    assert (target / "a b.txt").read_text() == "code/a b.txt"
    assert (target / "sub/c.txt").read_text() == "code/sub/c.txt"
    assert (target / "remote_entry/__init__.py").exists()
