"""A block blob that is written from its beginning to its end, and is there only when it is whole.

Blocks of a bounded size are staged while rows are written, one at a time beside the writing; the
list of them, committed at the end, makes the blob. What a killed process had staged is nobody's,
and Azure drops it after a week:
https://learn.microsoft.com/rest/api/storageservices/put-block.
"""

import hashlib
import math
import uuid
from concurrent.futures import Future
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, BlobClient

from remote_entry.deadline import Deadline, start_in_background
from remote_entry.extract.storage.blob.sending import NOT_THERE, TAKEN, StorageError, send
from remote_entry.extract.storage.locations import BlobFolder
from remote_entry.extract.storage.store import Step

BLOCK_BYTES = 8 << 20  # times 50,000 blocks: a part may have 390 GB
WRITER = "writer"  # the metadata by which a writer knows its own blob again


class NewBlob:
    """A new blob; a ``Sink``.

    Args:
        blob: Which.
        name: Its name in the data set, for messages.
        root: The data set.
        step: Is told before each request.
        block_bytes: How large a block is; two of them are kept in memory.
    """

    def __init__(
        self,
        blob: BlobClient,
        name: str,
        root: BlobFolder,
        step: Step,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._blob = blob
        self._name = name
        self._root = root
        self._step = step
        self._block_bytes = block_bytes
        self._buffer = bytearray()
        self._blocks: list[str] = []
        self._staging: Future[None] | None = None
        self._digest = hashlib.sha256()
        self._is_lost = False
        self.closed = False
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def write(self, block: Any) -> int:
        """Append bytes; a block that is full is staged.

        Raises:
            StorageError: Storage did not take the block before.
        """
        view = memoryview(block).cast("B")
        if self._is_lost:  # whoever writes a file's end after a failure must not hide that
            return view.nbytes
        self._digest.update(view)
        self.size += view.nbytes
        self._buffer += view
        while len(self._buffer) >= self._block_bytes:
            self._stage(bytes(self._buffer[: self._block_bytes]))
            del self._buffer[: self._block_bytes]
        return view.nbytes

    def flush(self) -> None:
        """Keep what is not a block yet."""

    def finish(self) -> None:
        """Make the blob of its blocks, and close it.

        Raises:
            StorageError: Storage did not do it.
        """
        if self._buffer:
            self._stage(bytes(self._buffer))
        self._wait()
        own = uuid.uuid4().hex
        self._step(f"commit {self._name}")

        def commit() -> None:
            self._blob.commit_block_list(
                [BlobBlock(block_id=block) for block in self._blocks],
                metadata={WRITER: own},
                match_condition=MatchConditions.IfMissing,
            )

        try:
            send(commit, f"committing {self._name}", self._root)
        except StorageError as refused:
            if not was_ours(self._blob, own, refused, self._name, self._root):
                raise
        self.close()

    def close(self) -> None:
        """Forget what was staged."""
        self.closed = True
        self._buffer.clear()

    def discard(self) -> None:
        """Close it: without a list of its blocks there is no blob."""
        self.close()

    def _stage(self, content: bytes) -> None:
        """Begin to stage a block when the one before has arrived."""
        self._wait()
        self._step(f"stage {self._name}")
        block = f"{len(self._blocks):06d}"
        self._blocks.append(block)
        task = partial(self._send, block, content)
        [self._staging] = start_in_background([task], threads=1, deadline=Deadline(math.inf))

    def _send(self, block: str, content: bytes) -> None:
        send(lambda: self._blob.stage_block(block, content), f"writing {self._name}", self._root)

    def _wait(self) -> None:
        """Wait for the block that is under way."""
        if self._staging is None:
            return
        staging, self._staging = self._staging, None
        try:
            staging.result()
        except BaseException:
            self._is_lost = True
            raise


def was_ours(
    blob: BlobClient, own: str, refused: StorageError, name: str, root: BlobFolder
) -> bool:
    """Tell who wrote a blob, after an answer that does not.

    The SDK sends a request again when its answer is lost, and if the first one was carried out, the
    second finds the name taken: by ourselves. So the blob itself is asked whose it is.

    Args:
        blob: Which.
        own: What this writer has noted in its metadata.
        refused: The answer.
        name: The blob's name in the data set, for messages.
        root: The data set.

    Returns:
        True if this writer wrote it, False if another one did.

    Raises:
        StorageError: Nobody did; or storage cannot be asked.
    """
    if not refused.is_uncertain and refused.code not in TAKEN:
        raise refused
    try:
        found = send(blob.get_blob_properties, f"looking at {name}", root)
    except StorageError as missing:
        if missing.code == NOT_THERE:
            raise refused from None
        raise
    return found.metadata.get(WRITER) == own
