"""An extract from its beginning to its end: plan a window, read it, verify it, land it.

What a process leaves behind when it is killed anywhere here is taken up by the next one.
"""

from dataclasses import dataclass, replace

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column, Key, Window
from remote_entry.extract.landing.documents import Entry, Plan
from remote_entry.extract.landing.folder import Landing, of_last_version
from remote_entry.extract.server.cursors import check_cursors
from remote_entry.extract.server.keys import kind_of
from remote_entry.extract.server.partitions import partition_key, share
from remote_entry.extract.server.ranges import asked_window, gaps
from remote_entry.extract.server.schema import Drift, columns_of, find_drift, refuse_drift
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.tables import lacks_index
from remote_entry.extract.server.windows import count_rows, next_window
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.store import Store
from remote_entry.extract.storage.stores import open_store
from remote_entry.extract.verify import Verification, verify
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import InThisProcess, Workers

_MOST_WINDOWS = 100  # a process that always loses a race would try for ever

Bounds = tuple[str | None, str | None]


@dataclass(frozen=True)
class Landed:
    """A window that is part of the data set now.

    Attributes:
        entry: Its line in the log.
        parts: How many files it has.
        bytes: Their size.
        verification: The counts; None if another process landed it.
        drift: What had changed of what is read; empty for nothing.
        is_resumed: Whether another process had begun it.
    """

    entry: Entry
    parts: int
    bytes: int
    verification: Verification | None
    drift: str
    is_resumed: bool


@dataclass(frozen=True)
class Outcome:
    """What a run of an extract did.

    Attributes:
        columns: The query's columns.
        landed: The windows; none if nothing is new.
        without_cursor: Rows that are in no window.
        late: Rows that came into the window before after it was landed, and so are missing.
    """

    columns: tuple[Column, ...]
    landed: tuple[Landed, ...]
    without_cursor: int
    late: int = 0

    @property
    def rows(self) -> int:
        """How many rows were landed."""
        return sum(each.entry.rows for each in self.landed)


def extract(
    spec: Spec,
    source: Source,
    watch: Watch,
    *,
    workers: Workers | None = None,
    bounds: Bounds | None = None,
    store: Store | None = None,
) -> Outcome:
    """Land everything that is new.

    Args:
        spec: The extract.
        source: The server.
        watch: Is told of it.
        workers: Who reads the partitions; this process, one after the other, if left out.
        bounds: The range to land in place of what is new.
        store: Where to, in place of what the spec's location opens.

    Raises:
        ExtractError: What was landed before, or the data, forbids it.
        SqlError: The server refused a query, or went away too often.
    """
    landing = Landing(store or open_store(spec.folder))
    declared = source.describe(f"SELECT q.* FROM {spec.relation}")  # noqa: S608 - the user's own query
    columns = columns_of(declared, spec)
    key = partition_key(spec, columns)
    without_cursor = check_cursors(source, spec)
    workers = workers or InThisProcess(source)
    work = _Work(spec, source, watch, workers, landing, columns, key, bounds)
    landed: list[Landed] = []
    try:
        with landing.files.held(watch.warn):
            late = work.look_back()
            for _ in range(_MOST_WINDOWS):
                one, is_over = work.land_one()
                if one is not None:
                    landed.append(one)
                if is_over:
                    return Outcome(columns, tuple(landed), without_cursor, late)
    except OSError as error:  # the disk is full, read-only or gone
        raise _disk_refused(spec, error) from None
    raise ExtractError(
        f"Other processes were faster {_MOST_WINDOWS} times in {spec.folder}",
        kind="extract.contention",
        hint="let one job at a time extract into a folder",
    )


def _disk_refused(spec: Spec, error: OSError) -> ExtractError:
    return ExtractError(
        f"{spec.folder} cannot be written or read: {error.strerror or type(error).__name__}",
        kind="extract.disk",
        hint="make room or correct 'to', then run again: what was committed stays",
    )


@dataclass(frozen=True)
class _Work:
    """What stays the same from window to window."""

    spec: Spec
    source: Source
    watch: Watch
    workers: Workers
    landing: Landing
    columns: tuple[Column, ...]
    key: Key | None
    bounds: Bounds | None

    def look_back(self) -> int:
        """Warn of gaps between ranges, and of rows that came too late; return how many did."""
        if self.spec.cursor_key is None:
            return 0
        entries = of_last_version(self.landing.log())
        situation = _situation(self.spec, entries, self.columns)
        for gap in gaps(self.spec.cursor_key, situation.windows):
            self.watch.warn(f"nothing of {gap} was landed: --from {gap.lo} --to {gap.hi} does that")
        last = next((each for each in entries if each.window.hi == situation.watermark), None)
        # A window of rowversions cannot gain rows; one of another query had others.
        is_sure = self.spec.cursor_key.kind == "rowversion"
        if last is None or is_sure or situation.drift.is_other_query:
            return 0
        late = max(count_rows(self.source, self.spec, last.window) - last.rows, 0)
        if late:
            self.watch.warn(
                f"{late} rows came into {last.window} after it was landed: they are missing. "
                "Raise cursor.lag, and extract into a new name"
            )
        return late

    def land_one(self) -> tuple[Landed | None, bool]:
        """Land one window.

        Returns:
            What was landed, if anything, and whether that was all.
        """
        entries = self.landing.log()
        situation = _situation(self.spec, entries, self.columns)
        asked = self._asked(situation)
        if asked is not None and asked in situation.windows:
            return None, True
        begun = self.landing.begin(
            len(entries) + 1,
            adopt=lambda plan: self._may_adopt(plan, situation, asked),
            plan=lambda: self._plan(len(entries) + 1, situation, asked),
        )
        if begun is None:
            return None, True
        attempt, is_resumed = begun
        plan = attempt.plan
        committed = attempt.parts()
        self.watch.begin(plan.window, plan.counted, sum(part.rows for part in committed))
        finished = {part.partition for part in committed if part.is_last}
        left = [number for number in range(len(plan.partitions)) if number not in finished]
        self.source.release()  # a connection that waits beside the readers' is one too many
        self.workers.read(self.spec, attempt, left, self.watch)
        verification = verify(attempt, self.spec, self.source)
        facts = {"verification": verification.as_json()}
        entry = self.landing.commit(attempt, facts, entries)
        is_ours = entry.folder == attempt.folder
        if not is_ours and self.spec.cursor is None:
            attempt.discard()
        elif not is_ours and entry.window != plan.window:
            return None, False
        parts = self.landing.parts(entry)
        landed = Landed(
            entry=entry,
            parts=sum(part.file is not None for part in parts),
            bytes=sum(part.bytes for part in parts),
            verification=verification if is_ours else None,
            drift=plan.drift,
            is_resumed=is_resumed,
        )
        return landed, not is_resumed or asked is not None

    def _asked(self, situation: "_Situation") -> Window | None:
        """Return the window of the bounds, if there are any."""
        if self.bounds is None:
            return None
        if situation.drift and self.spec.on_drift == "new-version":
            raise ExtractError(
                f"What is read has changed ({situation.drift}), which begins a new version: a "
                "range would be all of it",
                kind="extract.drift",
                hint="run once without --from and --to",
            )
        return asked_window(
            self.source, self.spec, self.bounds, situation.windows, situation.watermark
        )

    def _may_adopt(self, plan: Plan, situation: "_Situation", asked: Window | None) -> bool:
        """Tell whether a plan is what this process would have planned, at its time."""
        if self.spec.cursor is None or plan.spec != self.spec.content_hash:
            return False
        if (plan.columns, plan.version) != (self.columns, situation.version):
            return False
        if asked is not None:
            return plan.window == asked
        return not plan.is_backfill and plan.window.lo == situation.watermark

    def _plan(self, number: int, situation: "_Situation", asked: Window | None) -> Plan | None:
        """Fix a window; None if nothing is new."""
        window = asked or next_window(self.source, self.spec, situation.watermark, self.watch.warn)
        if window is None:
            return None
        if situation.drift:
            self.watch.warn(f"what is read has changed since the last window: {situation.drift}")
        counted = count_rows(self.source, self.spec, window)
        if self.key is not None and lacks_index(self.source, self.spec, self.key.column):
            self.watch.warn(
                f"no index of {self.spec.table} begins with {self.key.column}: the server scans "
                "the table once for each partition"
            )
        return Plan(
            entry=number,
            version=situation.version,
            window=window,
            cursor=self.spec.cursor_key,
            spec=self.spec.content_hash,
            query=self.spec.query_hash,
            columns=self.columns,
            counted=counted,
            partition_key=self.key,
            partitions=share(self.source, self.spec, self.key, window, counted),
            drift=str(situation.drift) if situation.drift else "",
            is_backfill=asked is not None,
        )


@dataclass(frozen=True)
class _Situation:
    """What the log says about the next window.

    Attributes:
        version: The one that the next window belongs to.
        windows: What that version has already.
        watermark: Where those end; None if there are none, or without a cursor.
        drift: How what is read differs from the last window's.
    """

    version: int
    windows: tuple[Window, ...]
    watermark: str | None
    drift: Drift


def _situation(spec: Spec, entries: list[Entry], columns: tuple[Column, ...]) -> _Situation:
    """Read the log.

    Raises:
        ExtractError: What is read has changed in a way that the spec does not allow.
    """
    current = of_last_version(entries)
    if not current:
        return _Situation(1, (), None, Drift())
    drift = find_drift(current[-1].columns, columns)
    if spec.cursor is not None:  # without one everything is landed anew anyhow
        drift = replace(drift, is_other_query=current[-1].query != spec.query_hash)
    refuse_drift(drift, spec)
    version = current[0].version
    if current[-1].cursor != spec.cursor_key:
        raise ExtractError(
            f"The cursor of {spec.folder} is {current[-1].cursor or 'none'}, and the extract's is "
            f"{spec.cursor_key or 'none'}",
            kind="extract.cursor-changed",
            hint="extract into a new name",
        )
    if spec.cursor_key is None or (drift and spec.on_drift == "new-version"):
        return _Situation(version + 1, (), None, drift)
    windows = tuple(entry.window for entry in current)
    kind = kind_of(spec.cursor_key)
    ends = [
        kind.checked(window.hi, what=f"The watermark in {spec.folder}")
        for window in windows
        if window.hi is not None
    ]
    return _Situation(version, windows, max(ends, key=kind.order), drift)
