"""The folder that is uploaded: the files of a snapshot and nothing else."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from submitter.errors import SnapshotError
from submitter.snapshot.files import SnapshotFile, shown, some

_log = logging.getLogger(__name__)


@contextmanager
def staged(files: Sequence[SnapshotFile]) -> Iterator[Path]:
    """Lay the files out in a folder of their own for as long as the block runs.

    Args:
        files: The snapshot.

    Yields:
        The folder, below TMPDIR.

    Raises:
        SnapshotError: A file has changed since it was collected, or there is no room.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="submitter-snapshot-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(tempfile.tempdir or "a temporary folder", error) from None
    with made as name:
        _lay_out(files, Path(name))
        yield Path(name)


def warn_of_changes(files: Iterable[SnapshotFile]) -> None:
    """Log the files that changed while they were uploaded: the run may have either content."""
    different = [file.path for file in files if not _is_as_collected(file)]
    if different:
        _log.warning(
            "changed while it was uploaded, so the run may have the old or the new content: %s",
            some(different),
        )


def _lay_out(files: Iterable[SnapshotFile], folder: Path) -> None:
    made = {folder}
    for file in files:
        if not _is_as_collected(file):
            raise SnapshotError(
                f"{shown(file.source)} changed or vanished while the snapshot was made. "
                "Submit again when nothing writes there, or leave it out with .amlignore."
            )
        target = folder / file.path
        try:
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            _put(file.source, target)
        except OSError as error:
            raise _no_room(str(folder.parent), error, shown(file.source)) from None


def _put(source: Path, target: Path) -> None:
    """Make one file appear in another place.

    A hard link comes first: it keeps the content even if an editor or `git checkout` puts another
    file in the source's place meanwhile. It needs the same file system and often the same owner.
    """
    real = os.path.realpath(source)
    for link in (os.link, os.symlink):
        try:
            link(real, target)
        except OSError:
            continue
        return
    shutil.copyfile(real, target)  # Windows gives symbolic links to administrators alone


def _is_as_collected(file: SnapshotFile) -> bool:
    try:
        found = file.source.stat()
    except OSError:
        return False
    return file.modified_ns is None or (found.st_size, found.st_mtime_ns) == (
        file.size,
        file.modified_ns,
    )


def _no_room(where: str, error: OSError, what: str = "") -> SnapshotError:
    return SnapshotError(
        f"The snapshot cannot be laid out in {where}{f' ({what})' if what else ''}: "
        f"{error.strerror or error}. It needs a folder that can be written, for links to the files "
        "and no copies: set TMPDIR to one."
    )
