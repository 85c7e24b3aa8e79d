"""The one place that chooses what a data set lies in, by its location."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from remote_entry.extract.storage.files import Files
from remote_entry.extract.storage.locations import BlobFolder, Location, location_of
from remote_entry.extract.storage.store import Step, Store, no_step

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from remote_entry.access_token import AccessToken


def open_store(location: Location, step: Step = no_step) -> Store:
    """Return the store of a data set's folder; nothing is asked yet.

    Args:
        location: The folder.
        step: Is told before each change.

    Raises:
        RemoteEntryError: A blob container needs an access token, and there is none to be had.
    """
    if not isinstance(location, BlobFolder):
        return Files(location, step)
    from remote_entry.library import storage_token_source
    from remote_entry.resolve import package_missing

    try:
        from remote_entry.extract.storage.blob.files import BlobFiles
    except ImportError as error:
        raise package_missing(
            error, purpose=f"open {location}", packages="azure-storage-blob"
        ) from None
    return BlobFiles(location, _credential(storage_token_source()), step)


@lru_cache(maxsize=1)
def _credential(source: "Callable[[], AccessToken]") -> "TokenCredential":
    """Return the process's credential: all of its stores share one token."""
    from remote_entry.extract.storage.blob.credential import StorageCredential

    return StorageCredential(source)


def open_part(part: str | Path) -> BinaryIO:
    """Open one of ``committed_parts`` to read, wherever it lies.

        for part in committed_parts("abfss://lake@account.dfs.core.windows.net/flights"):
            frame = pandas.read_parquet(open_part(part))

    pyarrow and pandas read only what they need of it. A blob is read as this run's own identity,
    so neither adlfs nor a sign-in of pyarrow's is needed.

    Args:
        part: A path, or the address of a blob.

    Raises:
        ValueError: It is neither.
        ExtractError: Storage refuses.
        RemoteEntryError: There is no access token for it.
    """
    location = location_of(part)
    return open_store(location.parent).open(location.name)
