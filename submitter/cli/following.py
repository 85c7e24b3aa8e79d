"""Show a run as it goes, for the verbs that wait for its end."""

import sys
import time
from typing import TYPE_CHECKING

import typer

from submitter.cli.output import print_json, say

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails
    from submitter.run_handle import RunHandle

LEFT_WITH_CTRL_C = 130


def follow_to_the_end(run: "RunHandle", *, as_json: bool) -> None:
    """Show the run's log; raise what its end stands for."""
    end_with(show_to_its_end(run, as_json=as_json), as_json=as_json)


def show_to_its_end(run: "RunHandle", *, as_json: bool) -> "RunDetails":
    """Show the run's log until the run has ended.

    With `as_json` the log goes to standard error, and standard output is JSON alone.
    """
    stream = (sys.stderr if as_json else sys.stdout).buffer
    started = time.monotonic()

    def write(piece: bytes) -> None:
        stream.write(piece)
        stream.flush()

    try:
        return run.follow(
            write, lambda status: say(f"[{time.monotonic() - started:6.1f} s] {status}")
        )
    except KeyboardInterrupt:
        say(
            f"\nLeft the run {run.id} going. Come back with: submitter runs follow {run.id}\n"
            f"Stop it with: submitter runs cancel {run.id}"
        )
        raise typer.Exit(LEFT_WITH_CTRL_C) from None


def end_with(details: "RunDetails", *, as_json: bool) -> None:
    """Print how a run ended, and raise what that stands for."""
    from submitter.run_handle import raise_unless_completed

    if as_json:
        print_json(as_data(details))
    raise_unless_completed(details)


def as_data(details: "RunDetails") -> dict[str, object]:
    """Return a run's details as plain data."""
    return {
        "id": details.id,
        "experiment": details.experiment,
        "display_name": details.display_name,
        "status": details.status,
        "error": details.error or None,
        "portal_url": details.portal_url,
        "tags": dict(details.tags),
        "logs": sorted(details.logs),
    }
