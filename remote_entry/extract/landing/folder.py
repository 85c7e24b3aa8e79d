"""A data set's folder: what was landed, and how more is landed exactly once.

    _log/00000002.json             entry 2: a window, its manifest's digest, how far it went
    00000002-1/_PLAN.json          the first attempt at entry 2: its window and partitions, fixed
    00000002-1/_parts/00003-00000.json    partition 3's first part: rows, bytes, sha256, its range
                                          (all its parts, if they have no order)
    00000002-1/part-00003-00000-….parquet
    00000002-1/_MANIFEST.json      all its parts

Each document is published whole and only if its name is free (``storage``), so of two processes one
wins each step and the other goes on from there. The log is the watermark: entry 3 can only be
written by someone who knew entry 2, and only once: that is the compare-and-swap.

- A window is planned before a row is read. Whoever comes later (a rerun, a second process) finds
  the plan and works on the same window.
- A part is a range of what its partition is read by, and begins where the part before it ends, so
  parts that were committed stay as they are, whatever has changed in the table since.
- Readers list what the log's manifests name: ``committed_parts``. Files beside those are of an
  attempt that is not over, or never will be.

Without a cursor the rows are those of the moment when they are read, so nobody goes on with what
another run began: each attempt is one run's own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.documents import (
    FORMAT,
    Entry,
    Part,
    Plan,
    entry_of,
    parts_in,
    plan_of,
)
from remote_entry.extract.storage.locations import Location, location_of
from remote_entry.extract.storage.store import Store, damaged
from remote_entry.extract.storage.stores import open_store

T = TypeVar("T")

_LOG, _FAILED = "_log", "_FAILED.json"


class Landing:
    """The folder of one data set.

    Args:
        files: Its files.
    """

    def __init__(self, files: Store) -> None:
        self.files = files

    def log(self) -> list[Entry]:
        """Return everything that was landed, in order.

        Raises:
            ExtractError: The log has a gap, or is of a later version of this program.
        """
        names = [name for name in self.files.names(_LOG) if not name.startswith(".")]
        if names != [_log_name(number) for number in range(1, len(names) + 1)]:
            raise damaged(self.files.root, f"{_LOG}/ is not 1, 2, 3 …: {', '.join(names)}")
        self.files.read_ahead([f"{_LOG}/{name}" for name in names])
        return [self._entry(f"{_LOG}/{name}") for name in names]

    def begin(
        self,
        number: int,
        *,
        adopt: Callable[[Plan], bool],
        plan: Callable[[], Plan | None],
    ) -> tuple["Attempt", bool] | None:
        """Take up the newest attempt at an entry, or make one.

        Args:
            number: The entry.
            adopt: Tells whether an attempt that somebody else began may be gone on with.
            plan: Makes the plan of a new one, or None if there is nothing to do; asked once, and
                only if one is needed.

        Returns:
            The attempt, and whether it was somebody else's; None if there is nothing to do.
        """
        own: Plan | None = None
        while True:
            tried = self._attempts(number)
            if tried:
                known = Attempt(self.files, *tried[-1])
                if adopt(known.plan) and not self._has_failed(known.folder):
                    return known, True
            own = own or plan()
            if own is None:
                return None
            following = _attempt_number(tried[-1][0]) + 1 if tried else 1
            folder = f"{number:08d}-{following}"
            self.files.make_folder(f"{folder}/_parts")
            if self.files.publish(f"{folder}/_PLAN.json", asdict(own)):
                return Attempt(self.files, folder, own), False

    def commit(
        self, attempt: "Attempt", facts: Mapping[str, Any], earlier: Sequence[Entry]
    ) -> Entry:
        """Make a complete attempt part of the data set.

        Args:
            attempt: All of its parts are committed.
            facts: What else the manifest says.
            earlier: The entries before it.

        Returns:
            The entry that the log has now: another attempt's if that was first.
        """
        plan, parts = attempt.plan, attempt.parts()
        manifest = {
            "format": FORMAT,
            **asdict(plan),
            "rows": sum(part.rows for part in parts),
            "parts": [asdict(part) for part in parts],
            **facts,
        }
        name = f"{attempt.folder}/_MANIFEST.json"
        self.files.publish(name, manifest)  # or somebody has: the parts are the same
        self.files.make_folder(_LOG)
        own = Entry(
            number=plan.entry,
            version=plan.version,
            window=plan.window,
            cursor=plan.cursor,
            query=plan.query,
            columns=plan.columns,
            folder=attempt.folder,
            manifest_sha256=self.files.digest(name),
            rows=manifest["rows"],
        )
        line = f"{_LOG}/{_log_name(plan.entry)}"
        self.files.publish(line, {"format": FORMAT, **asdict(own)})
        entry = self._entry(line)
        if entry.folder == attempt.folder:
            attempt.clean()
            self._sweep(earlier, plan.entry)
        return entry

    def parts(self, entry: Entry) -> list[Part]:
        """Return the parts of an entry.

        Raises:
            ExtractError: Its manifest is not the one that was committed.
        """
        name = _manifest(entry)
        parts = _read(self.files, name, parts_in, sha256=entry.manifest_sha256)
        if parts is None:
            raise damaged(self.files.root, f"{name} is not what entry {entry.number} names")
        return parts

    def attempt(self, folder: str) -> "Attempt":
        """Return an attempt that another process planned.

        Raises:
            ExtractError: It is not here.
        """
        plan = _read(self.files, f"{folder}/_PLAN.json", plan_of)
        if plan is None:
            raise ExtractError(
                f"{self.files.root} does not hold {folder}, which another process has begun there",
                kind="extract.not-shared",
                hint="'to' must be a store that all nodes share, such as abfss://…",
            )
        return Attempt(self.files, folder, plan)

    def _sweep(self, earlier_entries: Sequence[Entry], number: int) -> None:
        """Remove the rows of attempts at earlier entries, and of this one's that have failed."""
        committed = {entry.folder for entry in earlier_entries}
        for folder in self.files.names():
            earlier, _, attempt = folder.partition("-")
            if not (earlier.isdecimal() and attempt.isdecimal()) or folder in committed:
                continue
            if int(earlier) < number or (int(earlier) == number and self._has_failed(folder)):
                _remove_rows(self.files, folder, keeping=set())

    def _entry(self, name: str) -> Entry:
        return _require(self.files, name, lambda document: entry_of(document, self.files.root))

    def _has_failed(self, folder: str) -> bool:
        return self.files.read(f"{folder}/{_FAILED}") is not None

    def _attempts(self, number: int) -> list[tuple[str, Plan]]:
        """Return the folders of an entry's attempts with their plans, oldest first."""
        folders = [name for name in self.files.names() if name.startswith(f"{number:08d}-")]
        plans = [(name, _read(self.files, f"{name}/_PLAN.json", plan_of)) for name in folders]
        known = [(name, plan) for name, plan in plans if plan is not None]
        return sorted(known, key=lambda pair: _attempt_number(pair[0]))


@dataclass(frozen=True)
class Attempt:
    """One attempt at an entry.

    Attributes:
        files: The data set's files.
        folder: Its own folder there.
        plan: What it is to land.
    """

    files: Store
    folder: str
    plan: Plan

    def fail(self, reason: str) -> None:
        """Note that nobody may go on with it: it was found wrong when it was complete."""
        self.files.publish(f"{self.folder}/{_FAILED}", {"reason": reason})

    def parts(self) -> list[Part]:
        """Return the parts that are committed, in order."""
        names = self._part_names()
        self.files.read_ahead([f"{self.folder}/_parts/{name}" for name in names])
        return [part for name in names for part in self._parts_in(name)]

    def parts_of(self, partition: int) -> list[Part]:
        """Return those of one partition, in order."""
        prefix = f"{partition:05d}-"
        names = [name for name in self._part_names() if name.startswith(prefix)]
        return [part for name in names for part in self._parts_in(name)]

    def add(self, parts: Sequence[Part]) -> bool:
        """Commit parts of one partition whose files are complete: all of them, or none.

        Returns:
            False if somebody has committed a part of that index; these ones' files are removed.
        """
        self.files.sync_folder(self.folder)
        name = f"{parts[0].partition:05d}-{parts[0].index:05d}.json"
        document = {"parts": [asdict(part) for part in parts]}
        if self.files.publish(f"{self.folder}/_parts/{name}", document):
            return True
        for part in parts:
            if part.file is not None:
                self.files.remove(f"{self.folder}/{part.file}")
        return False

    def open(self, file: str) -> BinaryIO:
        """Open the file of a part to read in."""
        return self.files.open(f"{self.folder}/{file}")

    def discard(self) -> None:
        """Remove the rows of an attempt that is this process's alone, and was too late."""
        _remove_rows(self.files, self.folder, keeping=set())

    def clean(self) -> None:
        """Remove what processes left that did not get to their end; the attempt is committed."""
        _remove_rows(self.files, self.folder, keeping={part.file for part in self.parts()})
        for folder in (self.folder, f"{self.folder}/_parts"):
            for name in self.files.names(folder):
                if name.startswith("."):
                    self.files.remove(f"{folder}/{name}")

    def _part_names(self) -> list[str]:
        """Return the documents by partition and place, which outgrow their five digits."""
        names = [name for name in self.files.names(f"{self.folder}/_parts") if name[0] != "."]
        return sorted(names, key=lambda name: tuple(map(int, name.partition(".")[0].split("-"))))

    def _parts_in(self, name: str) -> list[Part]:
        return _require(self.files, f"{self.folder}/_parts/{name}", parts_in)


def committed_parts(folder: str | Location) -> list[Path | str]:
    """Return the Parquet files of a data set's last version; nothing else in its folder is data.

    Args:
        folder: The data set's folder: ``to`` and then ``name``.

    Returns:
        The files in the order in which they were landed; none before the first extract. In a blob
        container they are addresses, which ``open_part`` reads.

    Raises:
        ValueError: It is no location.
        ExtractError: The folder is damaged, or storage refuses.
        RemoteEntryError: There is no access token for storage.
    """
    place = location_of(folder)
    landing = Landing(open_store(place))
    entries = of_last_version(landing.log())
    landing.files.read_ahead([_manifest(entry) for entry in entries])
    return [
        _shown(place / entry.folder / part.file)
        for entry in entries
        for part in landing.parts(entry)
        if part.file is not None
    ]


def of_last_version(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that readers read."""
    last = max((entry.version for entry in entries), default=0)
    return [entry for entry in entries if entry.version == last]


def _read(
    files: Store, name: str, parse: Callable[[Mapping[str, Any]], T], *, sha256: str = ""
) -> T | None:
    """Return what a document says; None if there is none, or none of this digest.

    Raises:
        ExtractError: It is not what was written there.
    """
    document = files.read(name, sha256=sha256)
    if document is None:
        return None
    try:
        return parse(document)
    except (AttributeError, KeyError, TypeError):
        raise damaged(files.root, f"{name} is not what was written there") from None


def _require(files: Store, name: str, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Return what a document says that was there a moment ago."""
    found = _read(files, name, parse)
    if found is None:
        raise damaged(files.root, f"{name} is gone")
    return found


def _manifest(entry: Entry) -> str:
    return f"{entry.folder}/_MANIFEST.json"


def _shown(file: Location) -> Path | str:
    return file if isinstance(file, Path) else str(file)


def _remove_rows(files: Store, folder: str, *, keeping: Collection[str | None]) -> None:
    """Remove an attempt's Parquet files, other than some."""
    for name in files.names(folder):
        if name.endswith(".parquet") and name not in keeping:
            files.remove(f"{folder}/{name}")


def _log_name(number: int) -> str:
    return f"{number:08d}.json"


def _attempt_number(folder: str) -> int:
    return int(folder.partition("-")[2])
