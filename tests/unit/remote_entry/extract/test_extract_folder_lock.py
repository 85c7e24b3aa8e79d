"""One run at a time in a folder; what it costs nobody where that cannot be had."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from remote_entry.errors import ExtractError
from remote_entry.extract.storage.folder_lock import folder_lock
from remote_entry.extract.storage.waiting import LOCK, Waiting

HOLD = """
import pathlib, signal, sys
from remote_entry.extract.storage.folder_lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1]), print):
    print("held", flush=True)
    signal.pause()
"""


class Played:
    """Time that passes when somebody waits, and what was warned of."""

    def __init__(self) -> None:
        self.now = 0.0
        self.warnings: list[str] = []
        self.then: Callable[[], object] = lambda: None
        self.waiting = Waiting(clock=lambda: self.now, sleep=self._sleep)

    def lock(self, root: Path) -> ExitStack:
        """Lock a folder until ``close`` or the end of ``with``."""
        stack = ExitStack()
        stack.enter_context(folder_lock(root, self.warnings.append, self.waiting))
        return stack

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


def test_the_next_run_need_not_wait(tmp_path: Path) -> None:
    """Whoever is through lets go, also by an error."""
    played = Played()
    with pytest.raises(ValueError, match="wrong"), played.lock(tmp_path):
        raise ValueError("wrong")
    with played.lock(tmp_path):
        pass
    assert (played.now, played.warnings) == (0.0, [])


def test_a_run_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says once for whom, and goes on when that one is through."""
    monkeypatch.setenv("AZUREML_RUN_ID", "nightly_7")
    played = Played()
    first = played.lock(tmp_path)
    played.then = lambda: first.close() if played.now > 30 else None
    with played.lock(tmp_path):
        pass
    assert played.now == 35.0
    [warning] = played.warnings
    assert f"{tmp_path} is held by nightly_7 since 20" in warning


def test_a_run_does_not_wait_for_ever(tmp_path: Path) -> None:
    """After 75 s it says who holds the folder, and what to do."""
    played = Played()
    with played.lock(tmp_path), pytest.raises(ExtractError) as caught:
        played.lock(tmp_path)
    assert (played.now, caught.value.kind) == (75.0, "extract.held")
    assert f"process {os.getpid()} of " in caught.value.message
    assert "wait until that run is over" in caught.value.hint
    assert f"end the process that has {LOCK} open" in caught.value.hint


def test_a_run_that_is_killed_keeps_nobody_out(tmp_path: Path) -> None:
    """The kernel lets go for it; what it wrote about itself is nobody's concern."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        other.kill()
    played = Played()
    with played.lock(tmp_path):
        pass
    assert (played.now, played.warnings) == (0.0, [])


def test_where_nothing_can_be_locked_it_goes_on(tmp_path: Path) -> None:
    """It says what that means."""
    (tmp_path / LOCK).mkdir()
    played = Played()
    with played.lock(tmp_path), played.lock(tmp_path):
        pass
    assert played.now == 0.0
    assert played.warnings[0].startswith(f"{tmp_path} cannot be locked (Is a directory): two runs")


def test_a_lock_that_says_nothing_is_anothers(tmp_path: Path) -> None:
    """Its holder was too early, or is none of ours."""
    played = Played()
    with played.lock(tmp_path):
        (tmp_path / LOCK).write_bytes(b'["')
        with pytest.raises(ExtractError, match="another run holds it"):
            played.lock(tmp_path)
