"""Read files behind signed addresses: whole, from a byte offset on, or as they grow.

Azure's blob storage, by its REST reference (Get Blob). An address carries a signature that opens
the file to whoever has it, so no error quotes one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import requests

from submitter.backends.base import (
    LOG_PIECE,
    BusyError,
    ExpiredAddressError,
    FileChangedError,
)
from submitter.errors import NotFoundError, ServiceError
from submitter.service import patience

_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 30.0  # without a byte; or SUBMITTER_TIMEOUT, if that is less
_CHUNK = 256 * 1024  # bytes
_WHOLE = 200  # OK, where 206 Partial Content was expected
_NOTHING_NEW = (404, 416)  # not written yet; Range Not Satisfiable: it ends before the offset
_MISSING = 404
_CHANGED = 412  # Precondition Failed: If-Match
_REFUSED = (401, 403)  # a signature out of date; an address signed before a key was changed
_BUSY = (429, 500, 502, 503, 504)


class SignedFiles:
    """A client of the storage; safe to use from several threads."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def read(self, address: str, offset: int) -> bytes:
        """Return what a file has from a byte offset on: at most LOG_PIECE, empty if nothing.

        Raises:
            ExpiredAddressError: The address is no longer good.
            BusyError: The storage asks for patience.
            ServiceError: It did not answer, or its answer was cut.
        """
        response = self._get(address, {"Range": f"bytes={offset}-{offset + LOG_PIECE - 1}"})
        if response.status_code in _NOTHING_NEW:
            return b""
        _raise_for(response)
        if response.status_code == _WHOLE:  # a proxy on the way ignored the range
            return response.content[offset : offset + LOG_PIECE]
        return response.content

    def open(self, address: str, offset: int = 0, etag: str = "") -> "SignedStream":
        """Begin to read a file.

        Args:
            address: Where it is.
            offset: The first byte that is wanted.
            etag: The content that is wanted, if part of it was read before.

        Raises:
            FileChangedError: It has another content by now.
            NotFoundError: It is gone.
            ServiceError: As for `read`.
        """
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        wanted |= {"If-Match": etag} if etag else {}
        response = self._get(address, wanted, stream=True)
        if response.status_code == _MISSING:
            raise NotFoundError("The file is no longer there.")
        if response.status_code == _CHANGED:
            raise FileChangedError("The file has changed.")
        _raise_for(response)
        return SignedStream(response, offset)

    def _get(
        self, address: str, headers: dict[str, str], *, stream: bool = False
    ) -> requests.Response:
        headers["Accept-Encoding"] = "identity"  # offsets and sizes count the file's own bytes
        bounds = (_CONNECT_SECONDS, min(_SILENT_SECONDS, patience()))
        try:
            return self._session.get(address, headers=headers, timeout=bounds, stream=stream)
        except requests.RequestException as error:
            raise ServiceError(f"The storage did not answer: {type(error).__name__}.") from None


@dataclass
class SignedStream:
    """A file that is being read; see `FileStream` of the contract.

    Args:
        response: The storage's answer.
        offset: The first byte that was asked for.
    """

    response: requests.Response = field(repr=False)
    offset: int

    def __post_init__(self) -> None:
        headers = self.response.headers
        self.ignores_ranges = bool(self.offset) and self.response.status_code == _WHOLE
        _, _, whole = headers.get("Content-Range", "").partition("/")
        self.size = int(whole or headers.get("Content-Length") or -1)
        self.etag = headers.get("ETag", "")
        # Of a part, Content-MD5 is the part's own; the other is always the whole file's.
        of_whole = "" if whole else headers.get("Content-MD5", "")
        self.md5 = headers.get("x-ms-blob-content-md5", "") or of_whole
        modified = headers.get("Last-Modified")
        self.modified = parsedate_to_datetime(modified).timestamp() if modified else 0.0

    def pieces(self) -> Iterator[bytes]:
        """Yield what follows the offset.

        Raises:
            ServiceError: The connection was cut.
        """
        skip = self.offset if self.ignores_ranges else 0
        try:
            for chunk in self.response.iter_content(_CHUNK):
                piece, skip = chunk[skip:], max(0, skip - len(chunk))
                if piece:
                    yield piece
        except requests.RequestException as error:
            raise ServiceError(f"The connection was cut: {type(error).__name__}.") from None

    def close(self) -> None:
        """Read no further."""
        self.response.close()


def _raise_for(response: requests.Response) -> None:
    status = response.status_code
    if response.ok:
        return
    if status in _REFUSED:
        raise ExpiredAddressError(f"The storage refused the signed address ({status}).")
    if status in _BUSY:
        wait = response.headers.get("Retry-After", "")
        raise BusyError(f"The storage answered {status}.", float(wait) if wait.isdigit() else None)
    raise ServiceError(f"The storage answered {status}.")
