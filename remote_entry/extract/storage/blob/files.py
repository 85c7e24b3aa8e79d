"""Blobs under a path of a container that are there whole or not at all: a ``Store``.

A document is one Put Blob that fails if the name is taken (``If-None-Match: *``), so the first one
wins and the loser knows. Who was first is told by what the writer notes in the blob's metadata, not
by the answer alone: that may be lost.
"""

import hashlib
import math
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobClient, ContainerClient, ExponentialRetry

from remote_entry.deadline import Deadline, start_in_background
from remote_entry.extract.storage.blob.lease import Lease, Timing
from remote_entry.extract.storage.blob.new_blob import WRITER, NewBlob, was_ours
from remote_entry.extract.storage.blob.reader import BlobReader
from remote_entry.extract.storage.blob.sending import NOT_THERE, StorageError, send
from remote_entry.extract.storage.locations import BlobFolder
from remote_entry.extract.storage.store import Step, as_json, from_json, no_step
from remote_entry.extract.storage.waiting import LOCK, this_run

_READERS = 8  # fewer than the SDK's transport keeps connections


@dataclass(frozen=True)
class Patience:
    """How long to go on where storage does not answer, or says that it is busy.

    Attributes:
        retries: How often a request is sent again.
        base: Seconds of the first pause; each following one is so many times longer.
        jitter: Seconds by which a pause is longer or shorter, by chance.
        connect: Seconds to wait for a connection.
        read: Seconds to wait for an answer.
        lease: How the lease goes with time.
    """

    retries: int = 5
    base: int = 2
    jitter: int = 1
    connect: float = 10.0
    read: float = 60.0
    lease: Timing = field(default_factory=Timing)


class BlobFiles:
    """Operations on one data set's blobs.

    Args:
        root: The data set's folder.
        credential: Who asks.
        step: Is told before each change.
        patience: How long to go on where storage does not answer.
    """

    def __init__(
        self,
        root: BlobFolder,
        credential: TokenCredential,
        step: Step = no_step,
        patience: Patience | None = None,
    ) -> None:
        self.root = root
        self._credential = credential
        self._step = step
        self._patience = patience or Patience()
        # By process id: a fork must not use its parent's connections.
        self._containers: dict[int, ContainerClient] = {}
        # Documents that were published: they never change, and are asked for again and again.
        self._known: dict[str, bytes] = {}

    def held(self, warn: Callable[[str], object]) -> Lease:
        """Keep other runs out by a lease, which ends by itself if this process is killed."""
        return Lease(
            self._blob(LOCK), self.root, this_run(), warn, self._step, self._patience.lease
        )

    def make_folder(self, name: str) -> None:
        """Do nothing: a blob's name makes its folders."""

    def sync_folder(self, name: str) -> None:
        """Do nothing: a blob that was written is in every list from then on."""

    def publish(self, name: str, document: Mapping[str, Any]) -> bool:
        """Write a JSON document under a name that nobody has taken.

        Returns:
            False if the name was taken; what is there is whole.
        """
        blob, own, content = self._blob(name), uuid.uuid4().hex, as_json(document)
        self._step(f"put {name}")
        try:
            send(
                lambda: blob.upload_blob(content, overwrite=False, metadata={WRITER: own}),
                f"writing {name}",
                self.root,
            )
        except StorageError as refused:
            if not was_ours(blob, own, refused, name, self.root):
                return False
        self._known[name] = content
        return True

    def create(self, name: str) -> NewBlob:
        """Create a blob that is not there yet, to be written once."""
        return NewBlob(self._blob(name), name, self.root, self._step)

    def read(self, name: str, *, sha256: str = "") -> Any:
        """Return a published document; None if there is none, or none of this digest."""
        content = self._content(name)
        if content is None or (sha256 and hashlib.sha256(content).hexdigest() != sha256):
            return None
        return from_json(content, name, self.root)

    def read_ahead(self, names: Sequence[str]) -> None:
        """Fetch documents several at a time: a log of a year of nights is 365 of them."""
        tasks = [partial(self._content, name) for name in names if name not in self._known]
        endless = Deadline(math.inf)
        for future in start_in_background(tasks, threads=_READERS, deadline=endless):
            future.result()

    def digest(self, name: str) -> str:
        """Return a document's SHA-256."""
        content = self._content(name)
        if content is None:
            raise FileNotFoundError(f"{self.root / name}")
        return hashlib.sha256(content).hexdigest()

    def names(self, name: str = "") -> list[str]:
        """Return what is in a folder, sorted; nothing if there is no such folder."""
        folder = self.root / name if name else self.root
        prefix = f"{folder.path}/"
        listed = send(
            lambda: [each.name for each in self._container().walk_blobs(prefix, delimiter="/")],
            f"listing {name or 'the folder'}",
            self.root,
        )
        return sorted({each.removeprefix(prefix).rstrip("/") for each in listed})

    def remove(self, name: str) -> None:
        """Remove a blob that nobody refers to."""
        self._step(f"remove {name}")
        try:
            send(self._blob(name).delete_blob, f"removing {name}", self.root)
        except StorageError as refused:
            if refused.code != NOT_THERE:
                raise

    def open(self, name: str) -> BinaryIO:
        """Open a blob to read in, anywhere in it."""
        return cast(BinaryIO, BlobReader(self._blob(name), name, self.root))

    def _content(self, name: str) -> bytes | None:
        if name in self._known:
            return self._known[name]
        blob = self._blob(name)
        try:
            content = send(
                lambda: bytes(blob.download_blob().readall()), f"reading {name}", self.root
            )
        except StorageError as refused:
            if refused.code != NOT_THERE:
                raise
            return None
        self._known[name] = content
        return content

    def _blob(self, name: str) -> BlobClient:
        return self._container().get_blob_client((self.root / name).path)

    def _container(self) -> ContainerClient:
        process = os.getpid()
        if process not in self._containers:
            patience, times = self._patience, self._patience.retries
            self._containers[process] = ContainerClient(
                self.root.account_url,
                self.root.container,
                credential=self._credential,
                retry_policy=ExponentialRetry(
                    initial_backoff=0,
                    increment_base=patience.base,
                    retry_total=times,
                    retry_connect=times,
                    retry_read=times,
                    retry_status=times,
                    random_jitter_range=patience.jitter,
                ),
                connection_timeout=patience.connect,
                read_timeout=patience.read,
            )
        return self._containers[process]
