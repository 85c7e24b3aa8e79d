"""Which files differ from the snapshot that this one builds upon."""

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from submitter.errors import SnapshotError
from submitter.snapshot.files import SnapshotFile, shown

_CHUNK = 1 << 20
_THREADS = 4  # hashing leaves the interpreter lock


def changed(files: Iterable[SnapshotFile], known: Mapping[str, str]) -> tuple[SnapshotFile, ...]:
    """List the files that would be uploaded.

    Content decides, not the time it was written: a touched file is unchanged.

    Args:
        files: The snapshot.
        known: The last snapshot: path → `content_hash`.

    Returns:
        The files that are new or changed.

    Raises:
        SnapshotError: A file has vanished or cannot be read.
    """
    listed = list(files)
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = pool.map(content_hash, listed)
        return tuple(
            file
            for file, found in zip(listed, hashes, strict=True)
            if known.get(str(file.path)) != found
        )


def content_hash(file: SnapshotFile) -> str:
    """Return azureml-core's hash of a file (`azureml/_base_sdk_common/merkle_tree.py`).

    Raises:
        SnapshotError: The file has vanished or cannot be read.
    """
    digest = hashlib.sha512()
    try:
        with file.source.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise SnapshotError(f"{shown(file.source)} cannot be read: {error.strerror}.") from None
    digest.update(file.path.name.encode())
    digest.update(b"File")
    return digest.hexdigest()
