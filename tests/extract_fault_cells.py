"""What can break on an extract's way to the server, and what it has to say of it: more cells."""

import signal
import time
from collections.abc import Iterator

import extract_landing_cells
from extract_moments import (
    AFTER_TWO_PARTS,
    ALL_KINDS,
    ALWAYS,
    BEFORE_THE_FIRST_ROW,
    EARLY,
    IMPATIENT,
    IN_MID_STREAM,
    QUERIES,
    SHORT,
    VERIFYING,
    Pause,
    both,
    kill,
    mid_stream,
    paused,
    sql,
)
from extract_stage import KILLED, WITHIN, ExtractCell, Stage
from support.forked_run import ForkedRun

from submitter.emulator import TokenFault


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
        ("SIGTERM", signal.SIGTERM, 143, "Stopped by SIGTERM. What was committed stays"),
    ):
        for when, moment in (
            ("at the login", Pause("login")),
            ("while the server plans", Pause("query", matching="COUNT_BIG")),
            ("before the first row", BEFORE_THE_FIRST_ROW),
            ("in mid-stream", AFTER_TWO_PARTS),
            ("while it verifies", VERIFYING),
        ):
            yield ExtractCell(
                *("stopped", f"{name} {when}", exit_code, says),
                **paused(moment, lambda _, run, signum=signum: run.send(signum)),
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


CELLS = (
    *whole_run(),
    *signals(),
    *connection(),
    *server(),
    *errors(),
    *tokens(),
    *clocks(),
    *extract_landing_cells.CELLS,
)
