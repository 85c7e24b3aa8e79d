"""Following a run: every byte once, in order, to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submitter.backends.base import LOG_PIECE, RunDetails
from submitter.errors import ServiceError
from submitter.follow import follow

LOG = "user_logs/std_log.txt"


class ScriptedRun:
    """A run that goes through a list of statuses; its log grows at each look."""

    id = "run-1"

    def __init__(self, *steps: str | Exception, pieces: tuple[bytes, ...] = ()) -> None:
        self._steps = list(steps)
        self._pieces: Iterator[bytes] = iter(pieces)
        self._log = b""

    def details(self) -> RunDetails:
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        self._log += next(self._pieces, b"")
        logs = {LOG: "https://blob/log"} if self._log else {}
        return RunDetails(id=self.id, experiment="e", status=step, logs=logs)

    def read_log(self, address: str, offset: int) -> bytes:
        return self._log[offset : offset + LOG_PIECE]

    def metrics(self) -> dict[str, Any]:
        return {}

    def files(self) -> list[str]:
        return []

    def download(self, prefix: str, folder: Path) -> list[Path]:
        return []

    def cancel(self) -> None: ...


def followed(run: ScriptedRun) -> tuple[str, bytes, list[str], list[float]]:
    """Follow without waiting; return final status, log, statuses seen and waits asked for."""
    log, statuses, waits = bytearray(), list[str](), list[float]()
    details = follow(run, write=log.extend, on_status=statuses.append, sleep=waits.append)
    return details.status, bytes(log), statuses, waits


def test_the_log_arrives_whole_and_once() -> None:
    """Pieces are asked for by offset, even where one ends inside a character."""
    run = ScriptedRun(
        "Queued", "Running", "Running", "Completed", pieces=(b"", b"caf\xc3", b"", b"\xa9\nend\n")
    )
    status, log, statuses, _ = followed(run)
    assert (status, log.decode()) == ("Completed", "café\nend\n")
    assert statuses == ["Queued", "Running", "Completed"]


def test_a_large_log_arrives_in_pieces() -> None:
    """Without a wait between them."""
    log = b"x" * (2 * LOG_PIECE + 1)
    status, seen, _, waits = followed(ScriptedRun("Running", "Completed", pieces=(log,)))
    assert (status, len(seen), len(waits)) == ("Completed", len(log), 1)


def test_a_status_can_be_watched_without_its_log() -> None:
    """Nothing is downloaded to be thrown away."""
    run = ScriptedRun("Running", "Completed", pieces=(b"a",))
    run.read_log = None  # type: ignore[assignment,method-assign]
    assert follow(run, sleep=lambda _: None).status == "Completed"


def test_the_last_lines_of_a_failed_run_arrive() -> None:
    """The end of the log is read after the status is final."""
    status, log, *_ = followed(ScriptedRun("Running", "Failed", pieces=(b"", b"Traceback\n")))
    assert (status, log) == ("Failed", b"Traceback\n")


def test_a_run_without_a_log_ends_too() -> None:
    """A run that was canceled in the queue never wrote one."""
    assert followed(ScriptedRun("Queued", "Canceled"))[:2] == ("Canceled", b"")


def test_a_service_that_stumbles_is_asked_again() -> None:
    """Nothing is lost and nothing repeated."""
    run = ScriptedRun(
        "Running", ServiceError("503"), ServiceError("503"), "Completed", pieces=(b"a", b"b")
    )
    assert followed(run)[:2] == ("Completed", b"ab")


def test_a_service_that_stays_silent_ends_the_following_in_bounded_time() -> None:
    """About ten looks, then the error."""
    waits: list[float] = []
    with pytest.raises(ServiceError, match="gone"):
        follow(ScriptedRun(ServiceError("gone")), write=bytearray().extend, sleep=waits.append)
    assert 5 <= sum(waits) <= 30
