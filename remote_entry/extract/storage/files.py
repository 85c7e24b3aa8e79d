"""Files that are there whole or not at all, and stay after a power cut.

Everything that is published takes the same way: written under a name of its own, fsync, then
``link(2)`` to its real name, which fails if that exists, then fsync of the folder. So nobody ever
reads half of it, the first one wins, and the loser knows. (``rename`` would replace the winner's.)
"""

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from remote_entry.errors import ExtractError
from remote_entry.extract.storage.folder_lock import folder_lock
from remote_entry.extract.storage.store import Step, as_json, from_json, no_step


class Files:
    """Operations on one data set's folder: a ``Store``.

    Args:
        root: The folder.
        step: Is told before each change on the disk.
    """

    def __init__(self, root: Path, step: Step = no_step) -> None:
        self.root = root
        self._step = step

    def held(self, warn: Callable[[str], object]) -> AbstractContextManager[object]:
        """Keep other runs out by a lock, which the kernel takes from a process that ends."""
        self.make_folder("")
        return folder_lock(self.root, warn)

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it; one that is there is fine.

        Whoever made that may have been killed before it was on the disk, so it is seen to anew.
        """
        folder = self.root / name
        above = (folder, *folder.parents)
        missing = [path for path in above if not path.exists()]
        within = len(folder.relative_to(self.root).parts) + 1
        for path in reversed(missing):
            self._step(f"mkdir {path.name}")
            path.mkdir(exist_ok=True)
        for path in reversed(above[: max(len(missing), within)]):
            self._sync_folder(path.parent)

    def publish(self, name: str, document: Mapping[str, Any]) -> bool:
        """Write a JSON document under a name that nobody has taken.

        Returns:
            False if the name was taken; what is there is whole.
        """
        target = self.root / name
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        self._step(f"create {draft.name[:-33]}")
        with draft.open("xb") as file:
            self._step(f"write {name}")
            file.write(as_json(document))
            self._sync(file, name)
        self._step(f"link {name}")
        try:
            os.link(draft, target)
        except FileExistsError:
            self._sync_folder(target.parent)  # the winner may have been killed before it did
            return False
        except FileNotFoundError:  # whoever committed the attempt has cleaned it
            if target.exists():
                return False
            raise
        except OSError as error:
            if error.errno in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}:
                raise _no_links(self.root) from None
            raise
        finally:
            self._step(f"unlink draft of {name}")
            draft.unlink(missing_ok=True)
        self._sync_folder(target.parent)
        return True

    def create(self, name: str) -> "NewFile":
        """Create a file that is not there yet, to be written once."""
        self._step(f"create {Path(name).name[:10]}")
        file = (self.root / name).open("xb")
        return NewFile(
            file, self._step, lambda file: self._sync(file, name), lambda: self.remove(name)
        )

    def sync_folder(self, name: str) -> None:
        """See that the folder's own list of names is on the disk."""
        self._sync_folder(self.root / name)

    def read(self, name: str, *, sha256: str = "") -> Any:
        """Return a published document; None if there is none, or none of this digest."""
        try:
            content = (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        if sha256 and hashlib.sha256(content).hexdigest() != sha256:
            return None
        return from_json(content, name, self.root)

    def read_ahead(self, names: Sequence[str]) -> None:
        """Do nothing: a disk is near."""

    def digest(self, name: str) -> str:
        """Return a document's SHA-256."""
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()

    def names(self, name: str = "") -> list[str]:
        """Return what is in a folder, sorted; nothing if there is no such folder."""
        try:
            return sorted(path.name for path in (self.root / name).iterdir())
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        """Remove a file that nobody refers to."""
        self._step(f"remove {Path(name).name[:10]}")
        (self.root / name).unlink(missing_ok=True)

    def open(self, name: str) -> BinaryIO:
        """Open a file to read in, anywhere in it."""
        return (self.root / name).open("rb")

    def _sync(self, file: BinaryIO, name: str) -> None:
        self._step(f"fsync {Path(name).name[:10]}")
        file.flush()
        os.fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        self._step(f"fsync folder {folder.name}")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class NewFile:
    """A file that is written from its beginning to its end, and hashed on the way.

    Has what pyarrow asks of a Python file to write to.
    """

    def __init__(
        self,
        file: BinaryIO,
        step: Step,
        sync: Callable[[BinaryIO], None],
        remove: Callable[[], None],
    ) -> None:
        self._file = file
        self._step = step
        self._sync = sync
        self._remove = remove
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._file.closed

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def write(self, block: Any) -> int:
        """Append bytes."""
        self._step("write rows")
        view = memoryview(block)
        self._digest.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        """Let the operating system have what was written."""
        self._file.flush()

    def finish(self) -> None:
        """Wait until it is on the disk, and close it."""
        self._sync(self._file)
        self._file.close()

    def close(self) -> None:
        """Close it as it is."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove it."""
        self._file.close()
        self._remove()


def _no_links(root: Path) -> ExtractError:
    return ExtractError(
        f"The file system of {root} has no hard links, which landing exactly once needs",
        kind="extract.file-system",
        hint="set 'to' to a disk of the machine, such as a folder in outputs/",
    )
