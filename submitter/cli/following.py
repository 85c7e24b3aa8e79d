"""Show a run as it goes, for the verbs that wait for its end.

The run is followed on a thread of its own: Ctrl-C meets the main thread only, which does nothing
but wait, so no byte of the log is lost or shown twice by it.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.log_screen import LogScreen
from submitter.cli.output import print_json, say

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails
    from submitter.runs.handle import RunHandle

LEFT_WITH_CTRL_C = 130
_LOOK = 0.5  # seconds

AllLogs = Annotated[
    bool, typer.Option("--all-logs", help="The logs of all nodes and processes, line by line.")
]
LogNames = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="NAME", help="This log; may be repeated, and be a pattern."),
]


def follow_to_the_end(
    run: "RunHandle", *, as_json: bool, all_logs: bool = False, logs: Collection[str] = ()
) -> None:
    """Show the run's log and print its end; raise what that stands for."""
    end_with(show_to_its_end(run, as_json=as_json, all_logs=all_logs, logs=logs), as_json=as_json)


def show_to_its_end(
    run: "RunHandle", *, as_json: bool, all_logs: bool = False, logs: Collection[str] = ()
) -> "RunDetails":
    """Show the run's log until the run has ended.

    At a terminal Ctrl-C asks whether to stop the run, and the network may be gone for as long as
    the person wishes; elsewhere Ctrl-C and SIGTERM leave the run going at once.

    Args:
        run: The run.
        as_json: The log goes to standard error, and standard output is left to JSON alone.
        all_logs: Show the logs of all nodes and processes.
        logs: Show these logs.

    Returns:
        How the run ended.
    """
    screen = LogScreen(sys.stderr if as_json else sys.stdout)
    wanted = [*logs, *(["*"] if all_logs else [])]
    following = _start(run, screen, wanted)
    with termination_interrupts():
        details = _wait(following, run, screen)
    screen.finish()
    return details


def end_with(details: "RunDetails", *, as_json: bool) -> None:
    """Print how a run ended, and raise what that stands for."""
    from submitter.runs.handle import raise_unless_completed

    if as_json:
        print_json(as_data(details))
    raise_unless_completed(details)


def _start(run: "RunHandle", screen: LogScreen, logs: Collection[str]) -> "Future[RunDetails]":
    from submitter.account import somebody_is_there
    from submitter.runs.follow import follow_patience

    patience = follow_patience(float("inf")) if somebody_is_there() else follow_patience()
    following: Future[RunDetails] = Future()
    times = _StatusTimes(screen)

    def work() -> None:
        try:
            details = run.follow(
                screen.write, times.note, logs=logs, on_notice=screen.say, patience=patience
            )
            following.set_result(details)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            following.set_exception(error)

    threading.Thread(target=work, name="submitter: follow", daemon=True).start()
    return following


def _wait(following: "Future[RunDetails]", run: "RunHandle", screen: LogScreen) -> "RunDetails":
    from submitter.account import somebody_is_there

    stopping = False
    while True:
        try:
            # In short turns: where another thread gets the signal of a Ctrl-C, a wait without an
            # end would not notice it.
            while not following.done():
                wait([following], timeout=_LOOK)
            return following.result()
        except KeyboardInterrupt as interruption:
            with screen.held():
                nobody = isinstance(interruption, _Terminated) or not somebody_is_there()
                if stopping or nobody or not asks_to_stop(f"the run {run.id}"):
                    _leave(run.id)
                run.cancel()
                stopping = True
                say("Asked to stop it; following to its end. Ctrl-C leaves.")


def asks_to_stop(what: str) -> bool:
    """Ask a person whether to stop a run, or several; a second Ctrl-C is the same as Enter."""
    say(f"\nStop {what}, or leave it running? [s = stop, Enter = leave] ", end="")
    try:
        return sys.stdin.readline().strip().lower() in ("s", "stop")
    except KeyboardInterrupt:
        return False


def _leave(run_id: str) -> None:
    say(
        f"\nLeft the run {run_id} going. Come back with: submitter runs follow {run_id}\n"
        f"Stop it with: submitter runs cancel {run_id}"
    )
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: the thread that follows may be in the middle of anything, which is of no use now.
    os._exit(LEFT_WITH_CTRL_C)


class _Terminated(KeyboardInterrupt):
    """SIGTERM: a Ctrl-C to which nobody can answer."""


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does; nobody is asked anything then."""

    def leave(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _StatusTimes:
    """Says each new status, and how long the one before lasted."""

    def __init__(self, screen: LogScreen) -> None:
        self._screen = screen
        self._began = self._changed = time.monotonic()
        self._status = ""

    def note(self, status: str) -> None:
        now = time.monotonic()
        before = f" ({self._status} {span(now - self._changed)})" if self._status else ""
        self._screen.say(f"[{now - self._began:6.1f} s] {status}{before}")
        self._status, self._changed = status, now


def span(seconds: float) -> str:
    """Return a time span as people say it: 35 s, 4 min 10 s, 3 h 5 min, 2 d 4 h."""
    whole = round(seconds)
    for unit, part, size, smaller in (("d", "h", 86_400, 3600), ("h", "min", 3600, 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {part}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"  # noqa: PLR2004


def as_data(details: "RunDetails") -> dict[str, object]:
    """Return a run's details as plain data, credentials masked."""
    from submitter.guard import shown

    return {
        "id": details.id,
        "experiment": details.experiment,
        "display_name": shown("name", details.display_name),
        "status": details.status,
        "error": details.error or None,
        "portal_url": details.portal_url,
        "tags": {name: shown(name, value) for name, value in details.tags.items()},
        "logs": sorted(details.logs),
        "created": details.created,
        "started": details.started,
        "ended": details.ended,
        "queued_seconds": details.queued_seconds,
        "running_seconds": details.running_seconds,
        "compute": details.compute,
        "environment": details.environment,
        "command": shown("command", details.command),
        "submitted_by": details.submitted_by,
        "variables": {name: shown(name, value) for name, value in details.variables.items()},
        "properties": {name: shown(name, value) for name, value in details.properties.items()},
    }
