"""What landing asks of the place that a data set lies in.

Whatever the place, three promises make it exactly once: a document is published whole and only if
its name is free, and whoever publishes learns truly whether it was the first; what was published
stays; and a list shows everything that was published before it was asked for. ``files`` keeps them
on a local disk, ``blob`` in a blob container.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from remote_entry.errors import ExtractError
from remote_entry.extract.storage.locations import Location

Step = Callable[[str], object]


def no_step(_: str) -> None:
    """Do nothing between operations; a crash test ends the process here."""


class Sink(Protocol):
    """A new file that is written from its beginning to its end, and hashed on the way.

    Has what pyarrow asks of a Python file to write to.

    Attributes:
        size: Bytes so far.
    """

    size: int

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""

    @property
    def sha256(self) -> str:
        """Of what was written so far."""

    def write(self, block: Any) -> int:
        """Append bytes."""

    def flush(self) -> None:
        """Let go of what was written."""

    def finish(self) -> None:
        """Make it last, and close it."""

    def close(self) -> None:
        """Close it as it is."""

    def discard(self) -> None:
        """Close it, and leave nothing of it; it was not finished."""


class Store(Protocol):
    """A data set's folder; every name is relative to it, with ``/`` in between."""

    @property
    def root(self) -> Location:
        """The folder."""

    def held(self, warn: Callable[[str], object]) -> AbstractContextManager[object]:
        """Keep other runs out meanwhile, where that is possible; nothing is wrong without it.

        Args:
            warn: Receives what was met and overcome.
        """

    def make_folder(self, name: str) -> None:
        """See that a folder is there."""

    def publish(self, name: str, document: Mapping[str, Any]) -> bool:
        """Write a JSON document under a name that nobody has taken.

        Returns:
            False if the name was taken; what is there is whole.
        """

    def create(self, name: str) -> Sink:
        """Create a file that is not there yet, to be written once."""

    def sync_folder(self, name: str) -> None:
        """See that the folder's own list of names lasts."""

    def read(self, name: str, *, sha256: str = "") -> Any:
        """Return a published document; None if there is none, or none of this digest."""

    def read_ahead(self, names: Sequence[str]) -> None:
        """Prepare to read published documents, where many take longer than one."""

    def digest(self, name: str) -> str:
        """Return a document's SHA-256."""

    def names(self, name: str = "") -> list[str]:
        """Return what is in a folder, sorted; nothing if there is no such folder."""

    def remove(self, name: str) -> None:
        """Remove a file that nobody refers to."""

    def open(self, name: str) -> BinaryIO:
        """Open a file to read in, anywhere in it."""


def from_json(content: bytes, name: str, root: Location) -> Any:
    """Return a published document.

    Raises:
        ExtractError: It is none.
    """
    try:
        return json.loads(content)
    except ValueError:
        raise damaged(root, f"{name} is no JSON") from None


def damaged(root: Location, what: str) -> ExtractError:
    """Return the error for a data set that is not what was published."""
    return ExtractError(
        f"The data set in {root} is damaged: {what}",
        kind="extract.damaged",
        hint="restore the folder, or extract into a new name",
    )


def as_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is published."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
