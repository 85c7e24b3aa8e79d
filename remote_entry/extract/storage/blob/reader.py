"""A blob as a file to read in: a range of it at a time."""

import io
from typing import Any

from azure.storage.blob import BlobClient

from remote_entry.extract.storage.blob.sending import send
from remote_entry.extract.storage.locations import BlobFolder


class BlobReader(io.RawIOBase):
    """A blob that nobody changes any more; each read is a request, so read much at once.

    Args:
        blob: Which.
        name: Its name in the data set, for messages.
        root: The data set.
    """

    def __init__(self, blob: BlobClient, name: str, root: BlobFolder) -> None:
        super().__init__()
        self._blob = blob
        self._name = name
        self._root = root
        self._place = 0
        self._size = int(send(blob.get_blob_properties, f"looking at {name}", root).size)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._place

    def size(self) -> int:
        """Return how long it is; pyarrow asks."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, but not past the blob's end."""
        wanted = min(len(buffer), self._size - self._place)
        if wanted <= 0:
            return 0
        content = send(
            lambda: self._blob.download_blob(self._place, wanted).readall(),
            f"reading {self._name}",
            self._root,
        )
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
