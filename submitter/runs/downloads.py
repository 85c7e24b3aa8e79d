"""Fetch the files of a run: in parallel, resumable, checked.

A file is written beside its final place, in a part that names the content it belongs to, and moved
there when it is whole. So there is never half a file under a final name, and a fetch that was
interrupted goes on where it ended.
"""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import quote, unquote

from submitter.backends.base import (
    BusyError,
    ExpiredAddressError,
    FileChangedError,
    FileStream,
    RemoteRun,
)
from submitter.errors import FolderError, NotFoundError, ServiceError, SignInError

_SIDE_BY_SIDE = 8
_TRIES = 5  # in a row without a byte, for each file
_LONGEST_PAUSE = 5.0
_BLOCK = 1024 * 1024
_UNKNOWN = "unknown"  # the content of a part that cannot be gone on with

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a download has come.

    Attributes:
        file: The file that this is about.
        fetched: Its bytes that are here, those of an earlier try included.
        size: All of its bytes.
    """

    file: str
    fetched: int
    size: int


def download(
    run: RemoteRun,
    folder: Path,
    prefix: str = "outputs",
    *,
    on_progress: Callable[[Progress], object] = lambda _: None,
    sleep: Callable[[float], object] = time.sleep,
) -> Sequence[Path]:
    """Fetch a run's files under a prefix.

    Args:
        run: The run.
        folder: Where to put them; their paths in the run are kept below it.
        prefix: Such as `outputs`; empty for everything.
        on_progress: Receives how each file comes along, from several threads.
        sleep: Waits between two tries, in seconds.

    Returns:
        The files, as they now are on this machine; one that was here already was not fetched again.

    Raises:
        NotFoundError: The run has no file under the prefix.
        FolderError: The folder cannot be written, is full, or a file would end outside of it.
        ServiceError: The service did not send a file; the next call goes on from there.
    """
    present = _borne(run.files, run, sleep)
    names = [name for name in present if name.startswith(prefix)]
    if not names:
        raise NotFoundError(
            f"The run {run.id} has no files under '{prefix}'. "
            f"It has: {', '.join(present) or 'none'}."
        )
    targets = {name: folder / _safe(name, run.id) for name in names}
    fetch = _Fetch(run, prefix, on_progress, sleep)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        work = [pool.submit(fetch.file, name, target) for name, target in targets.items()]
        try:
            for done in as_completed(work):
                done.result()
        except BaseException:
            fetch.stopped = True
            pool.shutdown(cancel_futures=True)
            raise
    return [targets[name] for name in names]


def _borne(call: Callable[[], T], run: RemoteRun, sleep: Callable[[float], object]) -> T:
    """Ask until there is an answer, or no patience is left."""
    for failures in range(1, _TRIES):
        try:
            return call()
        except SignInError:
            run.sign_in_again()
        except ServiceError:
            pass
        sleep(min(0.5 * 2**failures, _LONGEST_PAUSE))
    return call()


class _Fetch:
    """One download, shared by its threads."""

    def __init__(
        self,
        run: RemoteRun,
        prefix: str,
        on_progress: Callable[[Progress], object],
        sleep: Callable[[float], object],
    ) -> None:
        self._run = run
        self._prefix = prefix
        self._on_progress = on_progress
        self._sleep = sleep
        self._addresses = dict(_borne(lambda: run.addresses(prefix), run, sleep))
        self.stopped = False

    def file(self, name: str, target: Path) -> None:
        """Fetch one file, unless the very same is here already."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._try_on(name, target)
        except OSError as error:
            raise FolderError(
                f"Could not write {target}: {error.strerror or error}. What was fetched so far is "
                "kept; put the folder right, and the same command goes on from there."
            ) from None

    def _try_on(self, name: str, target: Path) -> None:
        failures = 0
        while True:
            part = _Part.of(target)
            before = part.size
            try:
                self._attempt(name, target, part)
            except (ServiceError, NotFoundError) as error:
                failures = 0 if part.size > before else failures + 1
                if failures >= _TRIES or self.stopped:
                    raise ServiceError(
                        f"Could not fetch {name} of {self._run.id}: {error} "
                        "The same command goes on from where it ended."
                    ) from None
                if isinstance(error, ExpiredAddressError | NotFoundError):
                    self._addresses.update(self._run.addresses(self._prefix))
                asked = error.seconds if isinstance(error, BusyError) and error.seconds else 0.0
                self._sleep(max(min(0.5 * 2**failures, _LONGEST_PAUSE), min(asked, 60.0)))
            else:
                return

    def _attempt(self, name: str, target: Path, part: "_Part") -> None:
        if name not in self._addresses:
            raise NotFoundError("The run no longer has it.")
        offset = max(0, part.size - 1)  # one byte again: a range behind the last would be refused
        try:
            stream = self._run.open_file(self._addresses[name], offset, part.etag)
        except FileChangedError:
            part.drop()
            raise
        with closing(stream):
            if part.etag and stream.etag != part.etag:  # a server that knows no If-Match
                part.drop()
                raise FileChangedError("The file has changed.")
            if not part.etag and _is_here(target, stream):
                self._on_progress(Progress(name, stream.size, stream.size))
                return
            part.begin(stream.etag, offset)
            with part.path.open("ab") as file:
                for piece in stream.pieces():
                    file.write(piece)
                    offset += len(piece)
                    self._on_progress(Progress(name, offset, stream.size))
                    if self.stopped:
                        raise ServiceError("The download was stopped.")
        _check(part, stream)
        os.utime(part.path, (time.time(), stream.modified or time.time()))
        part.path.replace(target)


@dataclass
class _Part:
    """The part of a file that is here, under a name that tells its place and its content.

    Attributes:
        folder: The file's folder.
        key: Stands for the file's name, which may be as long as names can be.
        etag: The content it is part of; empty if there is no part.
    """

    folder: Path
    key: str
    etag: str

    @classmethod
    def of(cls, target: Path) -> "_Part":
        """Look for the part of a file."""
        key = f".submitter-{hashlib.sha256(target.name.encode()).hexdigest()[:16]}-"
        for found in target.parent.glob(f"{key}*.part"):
            etag = unquote(found.name[len(key) : -len(".part")])
            if etag != _UNKNOWN:
                return cls(target.parent, key, etag)
            found.unlink()
        return cls(target.parent, key, "")

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / f"{self.key}{quote(self.etag, safe='')}.part"

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.etag and self.path.exists() else 0

    def begin(self, etag: str, offset: int) -> None:
        """Say which content it is part of, and from which byte on it is written."""
        self.etag = etag or _UNKNOWN
        if self.path.exists():
            os.truncate(self.path, offset)

    def drop(self) -> None:
        """Remove it: the content has changed."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.etag = ""


def _safe(name: str, run_id: str) -> Path:
    """Return a file's path below the folder; refuse one that would leave it."""
    path = PurePosixPath(name)
    leaves = path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name
    if leaves or (os.sep != "/" and os.sep in name) or Path(name).drive:
        raise FolderError(
            f"The run {run_id} has a file named {name!r}, which would end outside of the folder. "
            "Nothing was fetched. Fetch others with --prefix."
        )
    return Path(path)


def _is_here(target: Path, stream: FileStream) -> bool:
    """Tell whether a file on this machine is the one that the service would send."""
    try:
        known = target.stat()
    except FileNotFoundError:
        return False
    if known.st_size != stream.size:
        return False
    if stream.md5:
        return _md5(target) == stream.md5
    return bool(stream.modified) and int(known.st_mtime) == int(stream.modified)


def _check(part: _Part, stream: FileStream) -> None:
    """Hold what was fetched against what the service says of it."""
    if stream.size >= 0 and part.size != stream.size:
        if part.size > stream.size:
            part.drop()
        raise ServiceError("The connection was cut before the end of the file.")
    if stream.md5 and _md5(part.path) != stream.md5:
        part.drop()
        raise ServiceError("Its content is not what the service says (MD5).")


def _md5(path: Path) -> str:
    # The protocol's own checksum of a transfer, no security.
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()
