"""Blobs as files under a folder, with the conditions that make concurrent writers safe."""

import hashlib
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from submitter.emulator.blob_leases import Leases

CHUNK_BYTES = 1 << 20


class BlobNotFound(LookupError):  # noqa: N818 - the service's own word
    """There is no such blob."""


class BlobExists(ValueError):  # noqa: N818 - the service's own word
    """A blob was to be created that is there already."""


class ConditionNotMet(ValueError):  # noqa: N818 - the service's own word
    """The blob is not, or no longer, what the writer took it for."""


@dataclass(frozen=True)
class Condition:
    """What must hold for a request to be carried out (RFC 9110, section 13).

    Attributes:
        if_match: The entity tag that the blob must have, or `*` for any.
        if_none_match: The entity tag that it must not have, or `*` for: it must not exist.
        lease_id: The lease that must be on the blob; None for: there must be none.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    lease_id: str | None = None


@dataclass(frozen=True)
class BlobProperties:
    """Size, entity tag, time of the last change, and what its writer noted about it."""

    size: int
    etag: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class BlobStore:
    """All blobs of one storage account, `container/path` each.

    Args:
        folder: Where the files are kept.

    Attributes:
        leases: Who holds which blob; under `lock`.
        lock: Held while a blob is looked at and changed.
    """

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._blocks = folder / "blocks"
        self._blobs.mkdir(parents=True)
        self._blocks.mkdir()
        self.lock = threading.RLock()
        self.leases = Leases()
        # Modification times are too coarse to tell two writes apart; writes are counted instead.
        self._generations: dict[str, int] = {}
        self._metadata: dict[str, Mapping[str, str]] = {}
        self._containers: set[str] = set()

    def create_container(self, name: str) -> bool:
        """Make a container; say whether there was none of that name before."""
        with self.lock:
            is_new = not self.has_container(name)
            self._containers.add(name)
        return is_new

    def has_container(self, name: str) -> bool:
        """Say whether there is a container of that name."""
        return name in self._containers

    def path(self, name: str) -> Path:
        """Return the file that holds a blob; its folder exists, the file may not.

        Raises:
            BlobNotFound: The name leads out of the store.
        """
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or parts[0] == "/" or "\0" in name:
            raise BlobNotFound(name)
        file = self._blobs.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def names(self, prefix: str) -> list[str]:
        """Return the names of all blobs under a folder-like prefix, without the prefix."""
        folder = self._blobs / prefix
        files = (file for file in folder.rglob("*") if file.is_file())
        return sorted(file.relative_to(folder).as_posix() for file in files)

    def exists(self, name: str) -> bool:
        """Say whether there is such a blob."""
        return self.path(name).is_file()

    def properties(self, name: str, condition: Condition | None = None) -> BlobProperties:
        """Return what is known about a blob.

        Raises:
            BlobNotFound: There is no such blob.
            ConditionNotMet: `if_match` does not hold; `if_none_match` is the caller's to answer.
        """
        found = self._current(name)
        if found is None:
            raise BlobNotFound(name)
        wanted = condition.if_match if condition else None
        if wanted not in (None, "*", found.etag):
            raise ConditionNotMet(name)
        return found

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return `size` bytes of a blob from `start` on.

        Raises:
            BlobNotFound: There is no such blob.
        """
        try:
            with self.path(name).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError:
            raise BlobNotFound(name) from None

    def chunks(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of a blob from `start` on, a megabyte at a time.

        Raises:
            BlobNotFound: There is no such blob.
        """
        try:
            file = self.path(name).open("rb")
        except FileNotFoundError:
            raise BlobNotFound(name) from None
        with file:
            file.seek(start)
            while size > 0 and (chunk := file.read(min(size, CHUNK_BYTES))):
                size -= len(chunk)
                yield chunk

    def write(
        self,
        name: str,
        data: bytes,
        condition: Condition | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Create or replace a blob in one step.

        Raises:
            BlobExists: It must not exist, and does.
            ConditionNotMet: It is not what the writer took it for.
            LeaseRefused: Somebody else holds it.
        """
        with self.lock:
            self._check(name, condition or Condition())
            file = self.path(name)
            draft = self._blocks / f"{hashlib.sha256(name.encode()).hexdigest()}.draft"
            draft.write_bytes(data)
            draft.replace(file)
            return self._changed(name, metadata)

    def append(self, name: str, data: bytes, condition: Condition | None = None) -> BlobProperties:
        """Add to the end of a blob.

        Raises:
            BlobNotFound: There is no such blob.
            ConditionNotMet: It is not what the writer took it for.
            LeaseRefused: Somebody else holds it.
        """
        with self.lock:
            if not self.exists(name):
                raise BlobNotFound(name)
            self._check(name, condition or Condition())
            with self.path(name).open("ab") as file:
                file.write(data)
            return self._changed(name, self._metadata.get(name))

    def delete(self, name: str, condition: Condition | None = None) -> None:
        """Remove a blob.

        Raises:
            BlobNotFound: There is no such blob.
            ConditionNotMet: It is not what the caller took it for.
            LeaseRefused: Somebody else holds it.
        """
        with self.lock:
            self.properties(name, condition)
            self.leases.check_write(name, condition.lease_id if condition else None)
            self.leases.forget(name)
            self.path(name).unlink()
            self._metadata.pop(name, None)
            self._changed_count(name)

    def stage_block(
        self, name: str, block_id: str, data: bytes, condition: Condition | None = None
    ) -> None:
        """Keep a block of a blob until `commit_blocks` names it.

        Raises:
            LeaseRefused: Somebody else holds the blob.
        """
        with self.lock:
            self.leases.check_write(name, condition.lease_id if condition else None)
        folder = self._staging(name)
        folder.mkdir(exist_ok=True)
        (folder / hashlib.sha256(block_id.encode()).hexdigest()).write_bytes(data)

    def commit_blocks(
        self,
        name: str,
        block_ids: Sequence[str],
        condition: Condition | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> BlobProperties:
        """Make a blob of staged blocks, in the order given.

        Raises:
            BlobNotFound: One of the blocks was never staged.
            BlobExists: The blob must not exist, and does.
            ConditionNotMet: The blob is not what the writer took it for.
            LeaseRefused: Somebody else holds it.
        """
        folder = self._staging(name)
        with self.lock:
            self._check(name, condition or Condition())
            draft = self._blocks / f"{folder.name}.draft"
            with draft.open("wb") as file:
                for block_id in block_ids:
                    block = folder / hashlib.sha256(block_id.encode()).hexdigest()
                    if not block.is_file():
                        raise BlobNotFound(f"{name} (block {block_id})")
                    with block.open("rb") as source:
                        shutil.copyfileobj(source, file)
            draft.replace(self.path(name))
            shutil.rmtree(folder, ignore_errors=True)
            return self._changed(name, metadata)

    def _staging(self, name: str) -> Path:
        return self._blocks / hashlib.sha256(name.encode()).hexdigest()

    def _check(self, name: str, condition: Condition) -> None:
        current = self._current(name)
        etag = current.etag if current else None
        if condition.if_none_match is not None:
            if condition.if_none_match == "*" and current is not None:
                raise BlobExists(name)
            if condition.if_none_match == etag:
                raise ConditionNotMet(name)
        if condition.if_match is not None and (
            current is None or condition.if_match not in ("*", etag)
        ):
            raise ConditionNotMet(name)
        self.leases.check_write(name, condition.lease_id)

    def _current(self, name: str) -> BlobProperties | None:
        try:
            status = self.path(name).stat()
        except (FileNotFoundError, BlobNotFound):
            return None
        generation = self._generations.get(name, 0)
        # The size is part of the tag: a run's live log grows without passing through here.
        etag = f'"0x{generation:08X}{status.st_size:08X}"'
        modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return BlobProperties(status.st_size, etag, modified, self._metadata.get(name, {}))

    def _changed(self, name: str, metadata: Mapping[str, str] | None) -> BlobProperties:
        self._metadata[name] = metadata or {}
        self._changed_count(name)
        return self.properties(name)

    def _changed_count(self, name: str) -> None:
        self._generations[name] = self._generations.get(name, 0) + 1
