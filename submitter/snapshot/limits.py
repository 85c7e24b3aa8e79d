"""What Azure ML refuses, said before the upload and with the names that help."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from submitter.errors import SnapshotError
from submitter.snapshot.files import SnapshotFile, shown

# azureml-core's SNAPSHOT_MAX_SIZE_BYTES and SNAPSHOT_MAX_FILES. The size is that of all files; the
# number counts those alone that are new or changed since the snapshot that this one builds upon.
SIZE_LIMIT = 300 * 1024 * 1024
FILE_LIMIT = 2000
# azureml-core's own switch.
_NO_FILE_LIMIT = "AML_SNAPSHOT_NO_FILE_LIMIT"
_SHOWN = 10
_DEEPEST = 200  # azureml-core walks the tree by recursion, and gives up between 300 and 400


def refuse_too_large(folder: Path | None, files: Sequence[SnapshotFile]) -> None:
    """Refuse a snapshot that is too large, naming its largest files.

    Raises:
        SnapshotError: All files together are larger than Azure ML takes.
    """
    total = sum(file.size for file in files)
    if total <= SIZE_LIMIT:
        return
    largest = sorted(files, key=lambda file: file.size, reverse=True)[:_SHOWN]
    rows = "\n".join(f"  {file.size / 1e6:10,.1f} MB  {shown(file.path)}" for file in largest)
    raise SnapshotError(
        f"The snapshot of {folder} is {total / 1e6:,.0f} MB; Azure ML takes at most "
        f"{SIZE_LIMIT / 1e6:,.0f} MB. The largest files:\n{rows}\n"
        "Leave files out with .amlignore, or read the data from the database in the run."
    )


def refuse_too_many(
    folder: Path | None,
    files: Sequence[SnapshotFile],
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Refuse a snapshot with too many new or changed files, naming the folders that hold most.

    Args:
        folder: The code folder.
        files: What would be uploaded: see `changed`.
        environ: Where azureml-core's own switch is looked for.

    Raises:
        SnapshotError: There are more than Azure ML takes.
    """
    if len(files) <= FILE_LIMIT or environ.get(_NO_FILE_LIMIT):
        return
    counts = Counter(f"{file.path.parent}/" for file in files)
    rows = "\n".join(f"  {count:7,}  {shown(name)}" for name, count in counts.most_common(_SHOWN))
    raise SnapshotError(
        f"{len(files):,} files of {folder} are new or changed since the last snapshot; Azure ML "
        f"takes at most {FILE_LIMIT:,} at once. The folders with the most:\n{rows}\n"
        "Leave folders out with .amlignore, or pack many small files into one archive."
    )


def refuse_too_deep(file: SnapshotFile) -> None:
    """Refuse a file that stands deeper than azureml-core can walk.

    Raises:
        SnapshotError: Too many folders stand around the file.
    """
    if len(file.path.parts) - 1 > _DEEPEST:
        raise SnapshotError(
            f"{shown(file.source)} is {len(file.path.parts) - 1} folders deep; azureml-core takes "
            f"{_DEEPEST}. Leave it out with .amlignore."
        )
