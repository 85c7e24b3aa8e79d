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
        self._check_open()
        return self._place

    def size(self) -> int:
        """Return how long it is; pyarrow asks."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place.

        Raises:
            ValueError: There is no such place.
        """
        self._check_open()
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}
        if whence not in starts or starts[whence] + offset < 0:
            raise ValueError(f"{self._name} has no place {offset} from {whence}")
        self._place = starts[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, but not past the blob's end."""
        content = self._fetch(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        """Return the rest, by as few requests as the SDK needs; its base class asks in morsels."""
        return self._fetch(self._size)

    def _fetch(self, most: int) -> bytes:
        """Return so many bytes, or what is left."""
        self._check_open()
        wanted = min(most, self._size - self._place)
        if wanted <= 0:
            return b""
        content: bytes = send(
            lambda: self._blob.download_blob(self._place, wanted).readall(),
            f"reading {self._name}",
            self._root,
        )
        self._place += len(content)
        return content

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self._name} is closed")
