"""Which files travel with a run, and the folder that is made of them."""

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

import pathspec

from submitter.errors import SnapshotError

# What Azure ML refuses: azureml-core's SNAPSHOT_MAX_SIZE_BYTES, and SNAPSHOT_MAX_FILES new ones.
SIZE_LIMIT = 300 * 1024 * 1024
FILE_LIMIT = 2000

# Never source code, and `.env` is where people keep their passwords.
_NEVER = pathspec.GitIgnoreSpec.from_lines(
    [
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules"),
        *("__pycache__", "*.pyc", ".ipynb_checkpoints", "*.egg-info"),
        *(".pytest_cache", ".mypy_cache", ".ruff_cache"),
        *(".env", ".env.*", ".azureml", ".amlignore", ".gitignore", ".DS_Store"),
    ]
)
# Azure ML reads .gitignore only where there is no .amlignore.
_IGNORE_FILES = (".amlignore", ".gitignore")
_LARGEST_SHOWN = 10


@dataclass(frozen=True)
class SnapshotFile:
    """One file that travels.

    Attributes:
        source: Where it is on this machine.
        path: Where it will be in the run's working folder.
        size: In bytes.
    """

    source: Path
    path: PurePosixPath
    size: int


def collect(folder: Path | None) -> tuple[SnapshotFile, ...]:
    """List the files of a code folder that travel, and `remote_entry` beside them.

    Args:
        folder: The job's code; `None` for a job that brings none.

    Returns:
        The files in the order of their paths.

    Raises:
        SnapshotError: The folder is missing, holds a `remote_entry` of its own, or is too large.
    """
    code = list(_code_files(folder)) if folder else []
    if any(file.path.parts[0] == "remote_entry" for file in code):
        raise SnapshotError(
            f"{folder} has a 'remote_entry' of its own, and the package of that name travels "
            "there. Rename yours, or leave it out with .amlignore."
        )
    files = sorted([*code, *_package_files()], key=lambda file: file.path)
    total = sum(file.size for file in files)
    if total > SIZE_LIMIT:
        raise SnapshotError(_too_large(folder, files, total))
    return tuple(files)


def stage(files: Iterable[SnapshotFile], folder: Path) -> None:
    """Lay the files out in an empty folder, as links where the file system allows it."""
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file.source.resolve(), target)
        except OSError:  # another file system, or no permission to link
            shutil.copyfile(file.source, target)


def _code_files(folder: Path) -> Iterator[SnapshotFile]:
    if not folder.is_dir():
        raise SnapshotError(
            f"There is no folder {folder} to take the code from. "
            "'code' in the job file is relative to the job file."
        )
    ignored = _ignore_rules(folder)
    for current, subfolders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        here = PurePosixPath(Path(current).relative_to(folder).as_posix())
        if _leads_back(Path(current)):
            subfolders.clear()
            continue
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not _is_ignored(ignored, f"{here / name}/")
            and not (Path(current) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            source = Path(current) / name
            if source.is_file() and not _is_ignored(ignored, str(here / name)):
                yield SnapshotFile(source, here / name, source.stat().st_size)


def _unreadable(error: OSError) -> NoReturn:
    raise SnapshotError(
        f"{error.filename} cannot be read: {error.strerror}. Leave it out with .amlignore, or "
        "mend its permissions."
    )


def _leads_back(folder: Path) -> bool:
    """Tell whether a folder is a link to one that it stands in."""
    return folder.is_symlink() and folder.resolve() in [
        parent.resolve() for parent in folder.absolute().parents
    ]


def _ignore_rules(folder: Path) -> pathspec.GitIgnoreSpec:
    for name in _IGNORE_FILES:
        if (folder / name).is_file():
            try:
                lines = (folder / name).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise SnapshotError(f"{folder / name} cannot be read: {error}.") from None
            return pathspec.GitIgnoreSpec.from_lines(lines)
    return pathspec.GitIgnoreSpec([])


def _is_ignored(rules: pathspec.GitIgnoreSpec, path: str) -> bool:
    return _NEVER.match_file(path) or rules.match_file(path)


def _package_files() -> Iterator[SnapshotFile]:
    """List remote_entry itself: it travels with the code, so that both sides agree."""
    found = importlib.util.find_spec("remote_entry")
    assert found is not None  # noqa: S101 - one distribution brings both packages
    package = Path(str(found.origin)).parent
    for source in package.rglob("*.py"):
        path = PurePosixPath("remote_entry") / source.relative_to(package).as_posix()
        yield SnapshotFile(source, path, source.stat().st_size)


def _too_large(folder: Path | None, files: list[SnapshotFile], total: int) -> str:
    largest = sorted(files, key=lambda file: file.size, reverse=True)[:_LARGEST_SHOWN]
    rows = "\n".join(f"  {file.size / 1e6:10,.1f} MB  {file.path}" for file in largest)
    return (
        f"The snapshot of {folder} is {total / 1e6:,.0f} MB; Azure ML takes at most "
        f"{SIZE_LIMIT / 1e6:,.0f} MB. The largest files:\n{rows}\n"
        "Leave files out with .amlignore, or read the data from the database in the run."
    )
