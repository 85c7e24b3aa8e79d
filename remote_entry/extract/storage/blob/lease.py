"""One run at a time in a data set: a lease on a blob in its folder.

The lease saves work, it does not make anything right: that each row lands once depends on the names
being free (``files``). So a run whose lease is lost goes on, and one that is killed keeps nobody
out for longer than the lease lasts.
"""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from azure.storage.blob import BlobClient, BlobLeaseClient

from remote_entry.errors import ExtractError, RemoteEntryError
from remote_entry.extract.storage.blob.sending import (
    LEASE_LOST,
    LEASED,
    NOT_THERE,
    TAKEN,
    StorageError,
    send,
)
from remote_entry.extract.storage.locations import BlobFolder
from remote_entry.extract.storage.store import Step
from remote_entry.extract.storage.waiting import LOCK, Waiting, holder_in, holder_note

LEASE_SECONDS = 60  # as long as Azure grants one that ends


@dataclass(frozen=True)
class Timing(Waiting):
    """How a lease goes with time, and how long to wait for somebody else's.

    Attributes:
        renew: Seconds between renewals.
    """

    renew: float = 20.0


class Lease:
    """A lease, held from ``with`` to its end.

    Args:
        blob: What is leased; made if there is none.
        root: The data set.
        holder: Who this is, for whoever finds the data set held.
        warn: Receives what was met and overcome.
        step: Is told before each request that changes something.
        timing: How it goes with time.
    """

    def __init__(
        self,
        blob: BlobClient,
        root: BlobFolder,
        holder: str,
        warn: Callable[[str], object],
        step: Step,
        timing: Timing,
    ) -> None:
        self._blob = blob
        self._root = root
        self._holder = holder
        self._warn = warn
        self._step = step
        self._timing = timing
        # The same id at every attempt: whoever asks again after a lost answer finds it granted.
        self._lease = BlobLeaseClient(blob, lease_id=str(uuid.uuid4()))
        self._over = threading.Event()
        self._process = os.getpid()

    def __enter__(self) -> "Lease":  # noqa: PYI034 (typing.Self came with 3.11)
        try:
            self._acquire()
            self._note_holder()
        except KeyboardInterrupt:  # it may be held already
            self.__exit__()
            raise
        threading.Thread(target=self._keep, daemon=True, name="remote-entry-lease").start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._over.is_set() or os.getpid() != self._process:
            return
        self._over.set()
        self._step("release the lease")
        try:
            send(self._release, "releasing the lease", self._root)
        except RemoteEntryError:
            return  # it ends by itself

    def _release(self) -> None:
        """Ask for it in seconds: nobody waits long for what happens by itself."""
        self._lease.release(retry_total=1, connection_timeout=5, read_timeout=5)

    def renew(self) -> bool:
        """Renew it once.

        Returns:
            False if it is lost.

        Raises:
            StorageError: Storage did not answer; it may answer the next time.
        """
        try:
            send(self._lease.renew, "renewing the lease", self._root)
        except StorageError as refused:
            if refused.code in LEASE_LOST or refused.code == NOT_THERE:
                return False
            raise
        return True

    def _keep(self) -> None:
        """Renew it until the end."""
        renewed, has_told = self._timing.clock(), False
        while not self._over.wait(self._timing.renew):
            try:
                is_held = self.renew()
            except RemoteEntryError as error:
                if self._timing.clock() - renewed > LEASE_SECONDS and not has_told:
                    has_told = True
                    self._warn(f"the lease on {self._root} has run out: {error.message}; going on")
                continue
            if self._over.is_set():  # released meanwhile
                return
            if not is_held:
                self._over.set()
                self._warn(
                    f"the lease on {self._root} is lost: another run may land there too. Each row "
                    "is landed once all the same; going on"
                )
                return
            renewed, has_told = self._timing.clock(), False

    def _acquire(self) -> None:
        """Get the lease; wait for one that may have been left by a run that was killed."""
        self._timing.until_taken(
            self._take,
            self._root,
            self._other,
            self._warn,
            otherwise=f"break the lease of the blob {LOCK} in the portal",
        )

    def _take(self, *, has_made: bool = False) -> bool:
        """Ask for the lease once, on a blob that is there."""
        self._step("acquire the lease")
        try:
            send(lambda: self._lease.acquire(LEASE_SECONDS), "leasing the folder", self._root)
        except StorageError as refused:
            if refused.code in LEASED:
                return False
            if refused.code != NOT_THERE or has_made:
                raise
            self._make()
            return self._take(has_made=True)
        return True

    def _make(self) -> None:
        """Make the blob, unless somebody else does."""
        self._step("make the lock")
        try:
            send(lambda: self._blob.upload_blob(b"{}"), "making the lock", self._root)
        except StorageError as refused:
            if refused.code not in TAKEN and refused.code != "LeaseIdMissing":
                raise

    def _note_holder(self) -> None:
        """Say who holds it; nothing depends on it."""
        self._step("note the holder")
        try:
            send(
                lambda: self._blob.upload_blob(
                    holder_note(self._holder), overwrite=True, lease=self._lease
                ),
                "noting who holds the folder",
                self._root,
            )
        except StorageError:
            return

    def _other(self) -> str:
        """Return who holds it, as far as they have said so."""
        try:
            note = send(
                lambda: self._blob.download_blob().readall(), "reading the lock", self._root
            )
        except ExtractError:
            return "another run"
        return holder_in(note)
