"""Folders of files for the tests of the snapshot."""

from pathlib import Path

from submitter import snapshot


def write(folder: Path, *names: str) -> None:
    """Make files, with the folders around them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def own_files(folder: Path) -> list[str]:
    """Return the paths that travel, without remote_entry's."""
    return without_remote_entry(snapshot.collect(folder))


def without_remote_entry(found: snapshot.Snapshot) -> list[str]:
    """Return the paths of a snapshot that are the user's."""
    paths = [file.path for file in found.files]
    return [str(path) for path in paths if path.parts[0] != "remote_entry"]


def kept_out(folder: Path) -> dict[str, str]:
    """Return what stays here: path → rule."""
    return {kept.path: str(kept.rule) for kept in snapshot.collect(folder).kept_out}
