"""What can break an extract, and what it has to say of it: the cells of its fault matrix."""

import ctypes
import os
import resource
import shutil
import signal
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from extract_faults import KILLED, WITHIN, ExtractCell, Stage
from support.forked_run import ForkedRun

from submitter.emulator import TokenFault

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


def whole_run() -> Iterator[ExtractCell]:
    """A run that is killed at several moments."""
    for cursor in ALL_KINDS:
        for name, moment in (
            ("before the first row", BEFORE_THE_FIRST_ROW),
            ("in mid-stream", IN_MID_STREAM),
            ("after two parts", AFTER_TWO_PARTS),
            ("while it verifies", VERIFYING),
        ):
            yield ExtractCell(
                "SIGKILL of the run", name, KILLED, cursor=cursor, **paused(moment, kill)
            )
    yield ExtractCell("SIGKILL of the run", "at the login", KILLED, **paused(Pause("login"), kill))


def signals() -> Iterator[ExtractCell]:
    """Somebody, or a scheduler, stops it."""
    for name, signum, exit_code, says in (
        ("Ctrl-C", signal.SIGINT, 130, "Stopped. What was committed stays"),
        ("SIGTERM", signal.SIGTERM, -signal.SIGTERM, ""),
    ):
        yield ExtractCell(
            *("stopped", f"{name} in mid-stream", exit_code, says),
            **paused(AFTER_TWO_PARTS, lambda _, run, signum=signum: run.send(signum)),
        )


def connection() -> Iterator[ExtractCell]:
    """The connection breaks: with a cursor the same run goes on behind the last part."""
    for cursor in ALL_KINDS:
        says = "broke off.*beginning anew" if cursor == "none" else "broke off.*going on"
        yield ExtractCell(
            *("connection", "reset in mid-stream", 0, says, cursor), play=mid_stream(drop=True)
        )
    for name, reset in (("reset", True), ("closed", False)):
        for place, after in (("early", 99_999), ("late", 1_333_333)):
            yield ExtractCell(
                *("connection", f"{name} in half a packet, {place}", 0, "broke off"),
                play=lambda stage, after=after, reset=reset: stage.wire.cut(after, reset=reset),
                after=lambda stage: "" if stage.wire.is_whole else "it was not cut",
            )
    yield ExtractCell(
        *("connection", "reset in mid-stream, always", 6, "broke off"),
        play=mid_stream(EARLY, drop=True, times=ALWAYS),
        variables=IMPATIENT,
    )
    for name, matching in QUERIES.items():
        yield ExtractCell(
            *("connection", f"reset at the {name} query"),
            play=sql("query", drop=True, matching=matching),
        )


def server() -> Iterator[ExtractCell]:
    """The server goes away, and comes back or not."""
    yield ExtractCell(
        *("server", "goes away in mid-stream", 6, "No connection to SQL Server"),
        **paused(AFTER_TWO_PARTS, lambda stage, _: stage.wire.go_away()),
        variables=IMPATIENT,
    )

    def restarts(stage: Stage, run: ForkedRun) -> None:
        stage.wire.go_away()
        run.has_ended(within=3)
        stage.wire.come_back()

    yield ExtractCell(
        *("server", "restarts in mid-stream", 0, "broke off.*going on"),
        **paused(AFTER_TWO_PARTS, restarts),
    )

    def fails_over(stage: Stage, _: ForkedRun) -> None:
        stage.break_sql(at="login", error=40613, times=2)
        stage.wire.cut_all()

    yield ExtractCell(
        *(
            "server",
            "moves in mid-stream, 40613 twice",
            0,
            "warning: No connection.*paused or moves",
        ),
        **paused(AFTER_TWO_PARTS, fails_over),
    )
    for number, ends in (
        (18456, (6, "refused the user name or the password")),
        (4060, (6, "does not open the database")),
    ):
        yield ExtractCell(
            *("login", str(number), *ends), play=sql("login", error=number, times=ALWAYS)
        )
    yield ExtractCell(
        *("login", "40613, once", 0, "paused or moves"), play=sql("login", error=40613)
    )


def errors() -> Iterator[ExtractCell]:
    """The server says no, between rows and at each of an extract's questions."""
    for number, says in ((1205, "deadlock"), (40197, "failed over"), (10928, "limit of workers")):
        yield ExtractCell(
            *("mid-stream", f"{number}, once", 0, f"{says}.*going on"),
            play=mid_stream(error=number),
        )
    yield ExtractCell(
        *("mid-stream", "class 20, once", 0, "failed over.*going on"),
        play=mid_stream(error=40197, severity=20),
    )
    yield ExtractCell(
        *("mid-stream", "1205, once", 0, "deadlock.*beginning anew", "none"),
        play=mid_stream(error=1205),
    )
    yield ExtractCell(
        *("mid-stream", "1205, always", 6, "deadlock"),
        play=mid_stream(EARLY, error=1205, times=ALWAYS),
        variables=IMPATIENT,
    )
    for cursor in ALL_KINDS:
        yield ExtractCell(*("mid-stream", "8115", 6, "8115", cursor), play=mid_stream(error=8115))
    for name, matching in QUERIES.items():
        yield ExtractCell(
            *(f"{name} query", "1205, once"), play=sql("query", error=1205, matching=matching)
        )
        if name != "describe":  # who may not have a query described may not run it either
            yield ExtractCell(
                *(f"{name} query", "229", 6, "may not do that"),
                play=sql("query", error=229, matching=matching),
            )


def disk() -> Iterator[ExtractCell]:
    """The disk is full, gone or not to be written."""
    for cursor in ("rowversion", "none"):
        yield ExtractCell(
            *("disk", "a file may not grow (RLIMIT_FSIZE)", 7, "File too large", cursor),
            first=small_files,
        )
    yield ExtractCell(
        *("disk", "read-only folder", 7, "cannot be written or read: Permission denied"),
        play=lambda stage: stage.data.parent.mkdir(mode=0o555),
        meanwhile=lambda stage, run: (run.has_ended(WITHIN), stage.data.parent.chmod(0o755)),
        first=without_privileges,
    )
    yield ExtractCell(
        *("disk", "a file stands where the folder should", 7, "cannot be written or read"),
        play=lambda stage: stage.data.parent.write_text(""),
        meanwhile=lambda stage, run: (run.has_ended(WITHIN), stage.data.parent.unlink()),
    )
    for name, moment in (
        ("before the first row", BEFORE_THE_FIRST_ROW),
        ("after two parts", AFTER_TWO_PARTS),
    ):
        yield ExtractCell(
            *("disk", f"folder removed {name}", 7, "cannot be written or read"),
            **paused(moment, removes_the_folder),
        )


def removes_the_folder(stage: Stage, _: ForkedRun) -> None:
    """Remove the data set, and let the server go on."""
    shutil.rmtree(stage.data)
    stage.wire.cut_all()


def small_files() -> None:
    """Let this process write files of 10 KB at most: the real error, at a real write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def without_privileges() -> None:
    """Have permissions hold for this process, also if it is root's."""
    if os.geteuid() == 0:
        header, nothing = struct.pack("II", 0x20080522, 0), bytes(24)  # linux/capability.h
        if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
            raise OSError(ctypes.get_errno(), "capset")


def tokens() -> Iterator[ExtractCell]:
    """Access tokens in place of the password: each connection has one of its own."""
    by_token = {"SQL_AUTH": "service-principal", "AZURE_SECRET_1": None, "AZURE_SECRET_2": None}

    def short(stage: Stage) -> None:
        stage.break_http("entra", "POST", token=TokenFault(seconds=SHORT), times=ALWAYS)

    def expires(stage: Stage, run: ForkedRun) -> None:
        run.has_ended(within=SHORT)
        stage.wire.cut_all()

    for cursor in ("rowversion", "integer"):
        yield ExtractCell(
            *("token", "ends in mid-stream, then a reset", 0, "broke off", cursor),
            play=both(short, IN_MID_STREAM.play),
            meanwhile=IN_MID_STREAM.then(expires),
            variables=by_token,
        )

    def refuse(stage: Stage, _: ForkedRun) -> None:
        stage.azure.faults.clear()
        stage.break_http("entra", "POST", problem="AADSTS7000222", times=ALWAYS)
        stage.wire.cut_all()

    yield ExtractCell(
        *("token", "client secret expires in mid-stream", 4, "AZURE_CLIENT_SECRET: it has expired"),
        play=both(short, IN_MID_STREAM.play),
        meanwhile=IN_MID_STREAM.then(refuse),
        variables=by_token,
    )
    yield ExtractCell(
        *("token", "expired when handed out", 6, "refused|expired"),
        play=lambda stage: stage.break_http(
            "entra", "POST", token=TokenFault(seconds=-60), times=ALWAYS
        ),
        variables=by_token,
    )


def both(*steps: Callable[[Stage], object]) -> Callable[[Stage], object]:
    """Return what takes several steps."""
    return lambda stage: [step(stage) for step in steps]


def clocks() -> Iterator[ExtractCell]:
    """A clock jumps: windows end by the server's, and nothing else goes by a clock."""
    for cursor in ("datetime2", "rowversion"):
        yield ExtractCell("clock", "the run's is a day ahead", cursor=cursor, first=a_day_ahead)
        yield ExtractCell(
            *("clock", "the server's jumps a day back in mid-stream", 0, "going on", cursor),
            **paused(AFTER_TWO_PARTS, jump_back),
            is_alone=True,
        )

    def lands_and_jumps(stage: Stage) -> None:
        assert stage.start("before").end(WITHIN) == 0
        stage.jump_clock(-86_400.0)

    yield ExtractCell(
        *("clock", "the server's is before the watermark", 0, "nothing new", "datetime2"),
        play=lands_and_jumps,
        is_alone=True,
    )


def jump_back(stage: Stage, _: ForkedRun) -> None:
    """Set the server's clock back, and break the connection."""
    stage.jump_clock(-86_400.0)
    stage.wire.cut_all()


def a_day_ahead() -> None:
    """Let this process's clock run a day ahead."""
    real = time.time
    time.time = lambda: real() + 86_400.0


def two_at_once() -> Iterator[ExtractCell]:
    """Two runs of one extract, at the same instant or one while the other stands still."""

    def other(stage: Stage, _: ForkedRun) -> None:
        stage.others.append(stage.start("other"))

    def overtakes(stage: Stage, _: ForkedRun) -> None:
        assert stage.start("other").end(WITHIN) == 0
        stage.look()
        stage.wire.cut_all()

    for cursor in ALL_KINDS:
        yield ExtractCell("two at once", "at the same instant", cursor=cursor, meanwhile=other)
        yield ExtractCell(
            "two at once",
            "one overtakes after two parts",
            cursor=cursor,
            **paused(AFTER_TWO_PARTS, overtakes),
        )


def partitions() -> Iterator[ExtractCell]:
    """Worker processes, one connection each: what one loses, another reads."""
    shared = {"spec": {"partition": {"column": "id", "parts": 4, "connections": 2}}}

    def kill_worker(number: int) -> Callable[[Stage, ForkedRun], object]:
        return lambda _, run: workers_of(run)[number].kill()

    for number in (0, 1):
        yield ExtractCell(
            *("workers", f"SIGKILL of worker {number + 1} of 2", 0, "a worker ended with -9"),
            **paused(ONE_LATE, kill_worker(number)),
            **shared,
        )
    for cursor in ("integer", "none"):
        yield ExtractCell(
            *("workers", "SIGKILL of worker 1 of 2", 0, "a worker ended with -9", cursor),
            **paused(ONE_LATE, kill_worker(0)),
            **shared,
        )
    yield ExtractCell(
        *("workers", "SIGKILL of both", 7, "All worker processes of .* were ended from outside"),
        **paused(IN_MID_STREAM, lambda _, run: [each.kill() for each in workers_of(run)]),
        **shared,
    )

    def remember_and(signum: signal.Signals) -> Callable[[Stage, ForkedRun], object]:
        def act(stage: Stage, run: ForkedRun) -> None:
            stage.workers = workers_of(run)
            run.send(signum)

        return act

    for name, signum, exit_code in (
        ("SIGKILL", signal.SIGKILL, KILLED),
        ("SIGTERM", signal.SIGTERM, -signal.SIGTERM),
        ("Ctrl-C", signal.SIGINT, 130),
    ):
        for cursor in ("rowversion", "none") if signum == signal.SIGKILL else ("rowversion",):
            yield ExtractCell(
                *("workers", f"{name} of the parent", exit_code, "", cursor),
                **paused(IN_MID_STREAM, remember_and(signum)),
                **shared,
                after=left_over,
            )
    yield ExtractCell(
        *("workers", "reset in mid-stream", 0, "broke off"),
        play=mid_stream(EARLY, drop=True),
        **shared,
    )
    yield ExtractCell(
        *("workers", "1205 in mid-stream, once", 0, "deadlock"),
        play=mid_stream(EARLY, error=1205),
        **shared,
    )
    yield ExtractCell(
        *("workers", "8115 in mid-stream", 6, "8115"), play=mid_stream(EARLY, error=8115), **shared
    )
    yield ExtractCell(
        *("workers", "a file may not grow (RLIMIT_FSIZE)", 7, "File too large"),
        first=small_files,
        **shared,
    )
    yield ExtractCell(
        *("workers", "two runs at the same instant"),
        meanwhile=lambda stage, _: stage.others.append(stage.start("other")),
        **shared,
    )


def containers() -> Iterator[ExtractCell]:
    """The data set is in a blob container: storage refuses, throttles, or never tells."""
    for cursor in ALL_KINDS:
        for name, moment in (
            ("after two parts", AFTER_TWO_PARTS),
            ("while it verifies", VERIFYING),
        ):
            if cursor == "none" and moment is AFTER_TWO_PARTS:
                continue  # its parts are seen all together
            yield ExtractCell(
                *("abfss", f"SIGKILL {name}", KILLED, "", cursor),
                **paused(moment, kill),
                in_blob=True,
            )
    passing: dict[str, dict[str, Any]] = {
        "cut": {"drop": True},
        "503": {"status": 503},
        "answer lost": {"lose_answer": True},
    }
    for name, fault in passing.items():
        for what, request in REQUESTS.items():
            yield ExtractCell(
                *("abfss", f"{what}: {name}, once"),
                play=storage(request, **fault),
                in_blob=True,
            )
    lasting = {
        "AuthorizationPermissionMismatch": "assign it 'Storage Blob Data Contributor'",
        "ContainerNotFound": "there is no such container",
        "AccountIsDisabled": "the storage account is disabled",
    }
    for problem, says in lasting.items():
        yield ExtractCell(
            *("abfss", problem, 7, says),
            play=storage(REQUESTS["part"], problem=problem, times=ALWAYS),
            in_blob=True,
        )
    yield ExtractCell(
        *("abfss", "tokens of 30 seconds"),
        play=lambda stage: stage.break_http(
            "entra", "POST", token=TokenFault(seconds=30), times=ALWAYS
        ),
        in_blob=True,
    )
    yield ExtractCell(
        *("abfss", "reset in mid-stream", 0, "broke off.*going on"),
        play=mid_stream(drop=True),
        in_blob=True,
    )
    yield ExtractCell(
        *("abfss", "two runs at the same instant"),
        meanwhile=lambda stage, _: stage.others.append(stage.start("other")),
        in_blob=True,
    )
    yield ExtractCell(
        *("abfss", "SIGKILL of worker 1 of 2", 0, "a worker ended with -9"),
        **paused(ONE_LATE, lambda _, run: workers_of(run)[0].kill()),
        spec={"partition": {"column": "id", "parts": 4, "connections": 2}},
        in_blob=True,
    )


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


CELLS = (
    *whole_run(),
    *signals(),
    *connection(),
    *server(),
    *errors(),
    *disk(),
    *tokens(),
    *clocks(),
    *two_at_once(),
    *partitions(),
    *containers(),
)
