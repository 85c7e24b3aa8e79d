"""Where an extract lands, and by whom: the cells of disks, containers, workers and rivals."""

import ctypes
import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from typing import Any

from extract_moments import (
    AFTER_TWO_PARTS,
    ALL_KINDS,
    ALWAYS,
    BEFORE_THE_FIRST_ROW,
    EARLY,
    IN_MID_STREAM,
    ONE_LATE,
    REQUESTS,
    VERIFYING,
    both,
    kill,
    left_over,
    mid_stream,
    paused,
    small_files,
    storage,
    until,
    workers_of,
)
from extract_stage import KILLED, WITHIN, ExtractCell, Stage
from support.forked_run import ForkedRun
from support.locks import forbid_locks

from remote_entry.extract.storage.waiting import LOCK
from submitter.emulator import TokenFault


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


def without_privileges() -> None:
    """Have permissions hold for this process, also if it is root's."""
    if os.geteuid() == 0:
        header, nothing = struct.pack("II", 0x20080522, 0), bytes(24)  # linux/capability.h
        if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
            raise OSError(ctypes.get_errno(), "capset")


def two_at_once() -> Iterator[ExtractCell]:
    """Two runs of one extract, at the same instant or one while the other stands still."""

    def other(stage: Stage, _: ForkedRun) -> None:
        stage.others.append(stage.start("other"))

    def overtakes(stage: Stage, _: ForkedRun) -> None:
        assert stage.start("other").end(WITHIN) == 0
        stage.look()
        stage.wire.cut_all()

    def waits(stage: Stage, run: ForkedRun) -> None:
        other(stage, run)
        until(lambda: " is held by process " in stage.said("other"), stage.others[0])
        assert not stage.others[0].has_ended()
        stage.wire.cut_all()

    for cursor in ALL_KINDS:
        yield ExtractCell("two at once", "at the same instant", cursor=cursor, meanwhile=other)
        yield ExtractCell(
            *("two at once", "at the same instant, no lock", 0, "cannot be locked", cursor),
            play=lambda stage: forbid_locks(stage.data),
            meanwhile=other,
        )
        yield ExtractCell(
            *("two at once", "one overtakes after two parts, no lock", 0, "cannot be locked"),
            cursor=cursor,
            play=both(lambda stage: forbid_locks(stage.data), AFTER_TWO_PARTS.play),
            meanwhile=AFTER_TWO_PARTS.then(overtakes),
        )
        yield ExtractCell(
            *("two at once", "one waits for the other", 0, "", cursor),
            **paused(AFTER_TWO_PARTS, waits),
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
        ("SIGTERM", signal.SIGTERM, 143),
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
        *("abfss", "SIGTERM in mid-stream", 143, "Stopped by SIGTERM"),
        **paused(AFTER_TWO_PARTS, lets_the_lease_go),
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


def lets_the_lease_go(stage: Stage, run: ForkedRun) -> None:
    """End a run by SIGTERM: the next one need not wait for its lease."""
    leases, lock = stage.azure._started.blobs.leases, f"lake/{stage.table}/{stage.spec.name}/{LOCK}"
    assert leases.state(lock) == "leased"
    run.send(signal.SIGTERM)
    run.has_ended(WITHIN)
    assert leases.state(lock) == "available"


CELLS = (*disk(), *two_at_once(), *partitions(), *containers())
