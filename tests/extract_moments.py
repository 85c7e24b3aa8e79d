"""Faults and moments that the cells of an extract's fault matrix are made of."""

import resource
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
from extract_stage import WITHIN, Stage
from support.forked_run import ForkedRun

IN_PARTS = 27_000  # rows after which the parts of the first batch are there
EARLY = 1_000  # rows after which none is
ALL_KINDS = ("rowversion", "integer", "datetime2", "none")
IMPATIENT = {"REMOTE_ENTRY_SQL_DEADLINE": "2"}

# Where a query of an extract is told by its text.
ROWS_QUERY = r"SELECT q\.\* FROM"
QUERIES = {
    "describe": "describe_first_result_set",
    "boundary": "MIN_ACTIVE_ROWVERSION",
    "count": "COUNT_BIG",
    "rows": ROWS_QUERY,
}
ALWAYS = 1000
SHORT = 6.0  # seconds


def sql(at: str, **rule: Any) -> Callable[[Stage], object]:
    """Return what makes the SQL Server fail, once if nothing else is said."""
    return lambda stage: stage.break_sql(at=at, **rule)


def mid_stream(after_rows: int = IN_PARTS, **rule: Any) -> Callable[[Stage], object]:
    """Return what makes it fail between rows."""
    return sql("rows", after_rows=after_rows, matching=ROWS_QUERY, **rule)


def until(holds: Callable[[], bool], run: ForkedRun) -> None:
    """Wait for a moment of a run; it may never come, and then the cell's fault was not met."""
    deadline = time.monotonic() + WITHIN
    while not holds() and not run.has_ended(0.02) and time.monotonic() < deadline:
        pass


class Pause:
    """A moment of a run: the server falls silent there.

    Args:
        at: Where, as a fault's place.
        parts: How many parts must be whole besides.
        rule: More of the fault's rule.
    """

    def __init__(self, at: str, *, parts: int = 0, **rule: Any) -> None:
        self._rule = {"at": at, "silent": True, **rule}
        self._parts = parts

    def play(self, stage: Stage) -> None:
        """Have the server fall silent there."""
        stage.pause = stage.break_sql(**self._rule)

    def then(self, act: Callable[[Stage, ForkedRun], object]) -> Callable[[Stage, ForkedRun], None]:
        """Return what waits for the moment, looks at what readers see, and does something."""

        def meanwhile(stage: Stage, run: ForkedRun) -> None:
            def has_come() -> bool:
                begun = len(list(stage.data.glob("*/part-*.parquet")))
                whole = max(begun - 1, len(list(stage.data.glob("*/_parts/[0-9]*.json"))))
                return stage.pause.left == 0 and whole >= self._parts

            until(has_come, run)
            stage.look()
            act(stage, run)

        return meanwhile


BEFORE_THE_FIRST_ROW = Pause("query", matching=ROWS_QUERY)
IN_MID_STREAM = Pause("rows", after_rows=EARLY, matching=ROWS_QUERY)
AFTER_TWO_PARTS = Pause("rows", parts=2, after_rows=IN_PARTS, matching=ROWS_QUERY)


class Verifying(Pause):
    """The moment at which the server counts the window again, when all of it was read."""

    def __init__(self) -> None:
        super().__init__("query", matching=r"COUNT_BIG\(\*\) AS n FROM (?!.*IS NULL)")

    def play(self, stage: Stage) -> None:
        """Let it count once, when the window is planned."""
        rule = {**self._rule, "silent": False, "delay": 0.01}
        stage.azure.sql.faults.add(**rule)
        super().play(stage)


VERIFYING = Verifying()


def paused(
    moment: Pause, act: Callable[[Stage, ForkedRun], object]
) -> dict[str, Callable[..., Any]]:
    """Return a cell's arguments for something that happens at a moment."""
    return {"play": moment.play, "meanwhile": moment.then(act)}


def kill(_: Stage, run: ForkedRun) -> None:
    """End a run as the kernel does when memory is short."""
    run.send(signal.SIGKILL)


def both(*steps: Callable[[Stage], object]) -> Callable[[Stage], object]:
    """Return what takes several steps."""
    return lambda stage: [step(stage) for step in steps]


def small_files() -> None:
    """Let this process write files of 10 KB at most: the real error, at a real write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


REQUESTS = {
    "part": "PUT .*parquet[?]comp=blocklist",
    "its document": "PUT .*/_parts/",
    "log": "PUT .*/_log/",
}


def storage(request: str, **fault: Any) -> Callable[[Stage], object]:
    """Return what makes storage fail."""
    return lambda stage: stage.break_http("storage", request, **fault)


ONE_LATE = Pause("rows", after_rows=EARLY, matching=ROWS_QUERY, silent=False, delay=3.0)


def workers_of(run: ForkedRun) -> list[psutil.Process]:
    """Return a run's worker processes."""
    return sorted(psutil.Process(run.pid).children(), key=lambda each: each.pid)


def left_over(stage: Stage) -> str:
    """Say which workers outlived their parent."""
    _, alive = psutil.wait_procs(stage.workers, timeout=10)
    return f"workers {alive} outlived their parent" if alive else ""
