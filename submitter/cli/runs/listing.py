"""`submitter runs list`: the newest runs of the workspace."""

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.following import span
from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows

if TYPE_CHECKING:
    from submitter.backends.base import RunSummary

_COLUMNS = ("run", "experiment", "name", "status", "age", "duration", "compute")
_AGE = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@in_workspace
def list_(
    *,
    open_workspace: OpenWorkspace,
    experiment: Annotated[
        list[str] | None, typer.Option("--experiment", metavar="NAME", help="May be repeated.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Such as Failed; may be repeated."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="NAME[=VALUE]", help="May be repeated: all of them."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="AGE", help="Such as 30m, 12h, 2d, 1w, or a date."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    from submitter.runs.names import list_runs

    began = moment_of(since) if since else None
    runs = list_runs(
        workspace=open_workspace(),
        experiments=experiment or (),
        statuses=[each.capitalize() if each.islower() else each for each in status or ()],
        tags=tags_of(tag or ()),
        since=began,
        limit=limit,
    )
    if as_json:
        print_json([_as_data(run) for run in runs])
    else:
        print_rows(_COLUMNS, [_as_row(run) for run in runs], shorten=True)


def moment_of(age: str) -> datetime:
    """Return the moment that is so long ago, or that a date names.

    Raises:
        InputError: The text is neither.
    """
    from submitter.errors import InputError

    written = _AGE.fullmatch(age.strip())
    try:
        if written:
            past = timedelta(**{_UNITS[written[2]]: int(written[1])})
            return datetime.now(timezone.utc) - past
        date = datetime.fromisoformat(age.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise InputError(
            f"--since {age} is no age such as 30m, 12h, 2d or 1w, and no date such as 2026-01-31."
        ) from None
    return date if date.tzinfo else date.astimezone()


def tags_of(pairs: "list[str] | tuple[str, ...]") -> dict[str, str | None]:
    """Return the tags of NAME or NAME=VALUE."""
    split = (pair.partition("=") for pair in pairs)
    return {name: value if equals else None for name, equals, value in split}


def _as_row(run: "RunSummary") -> list[str]:
    from submitter.guard import shown
    from submitter.runs.names import short_id

    age = (datetime.now(timezone.utc) - run.created).total_seconds() if run.created else None
    return [
        short_id(run.id),
        run.experiment,
        shown("name", run.display_name),
        run.status,
        "" if age is None else _short(age),
        "" if run.running_seconds is None else _short(run.running_seconds),
        run.compute,
    ]


def _short(seconds: float) -> str:
    """Return a span's largest unit, which is all that a narrow column has room for."""
    value, unit, *_ = span(max(0.0, seconds)).split(" ")
    return f"{value} {unit}"


def _as_data(run: "RunSummary") -> dict[str, object]:
    from submitter.guard import shown
    from submitter.runs.names import short_id

    return {
        "id": run.id,
        "short_id": short_id(run.id),
        "experiment": run.experiment,
        "display_name": shown("name", run.display_name),
        "status": run.status,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "queued_seconds": run.queued_seconds,
        "running_seconds": run.running_seconds,
        "compute": run.compute,
        "submitted_by": run.submitted_by,
        "tags": {name: shown(name, value) for name, value in run.tags.items()},
    }
