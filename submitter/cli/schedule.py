"""`submitter schedule`: when a job runs, who wakes it up, and what is due now."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from submitter.cli.following import LEFT_WITH_CTRL_C, termination_interrupts
from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows, say

if TYPE_CHECKING:
    from submitter.schedule.instants import Schedule
    from submitter.schedule.job_runs import JobRuns
    from submitter.schedule.keeping import Overlap
    from submitter.workspace import WorkspaceAddress

app = typer.Typer(
    help="Run a job at times.",
    epilog=(
        "Each time that a zone's clocks show runs once: one that they skip in the spring at the "
        "first instant after the gap, one that they show twice in the autumn at the first. A cron "
        "of all hours runs in every real hour. A trigger that comes twice, late or by mistake is "
        "harmless: a run's id is made of job and instant."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
Cron = Annotated[
    str, typer.Option("--cron", metavar="CRON", help="Five fields, such as '30 2 * * *'.")
]
Zone = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="An IANA name, such as Europe/Berlin.")
]
OverlapChoice = Annotated[
    Literal["skip", "queue"] | None,
    typer.Option(
        "--overlap",
        help="If the job's last scheduled run goes on: skip this one, or let it wait. By default "
        "skip; queue with --catch-up all.",
        show_default=False,
    ),
]
CatchUpChoice = Annotated[
    Literal["none", "latest", "all"],
    typer.Option("--catch-up", help="Which missed instants to run; none: at most an hour late."),
]


@app.command("next")
def next_(
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Such as '30 2 * * *'.")],
    *,
    zone: Zone = "UTC",
    count: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 5,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="TIME", help="ISO 8601 with a zone; by default now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the next instants of a cron: as clocks there show them, and in UTC."""
    from submitter.errors import InputError
    from submitter.schedule.instants import Schedule
    from submitter.submission import run_ids

    schedule = Schedule(cron, zone)
    begin = run_ids.instant_of(after) if after else datetime.now(timezone.utc)
    if begin.tzinfo is None:
        raise InputError(f"--after {after} has no time zone: add Z or an offset.")
    found = list(islice(schedule.after(begin), count))
    if as_json:
        print_json([{"local": schedule.local(each), "utc": each} for each in found])
        return
    print_rows(
        ["local", "UTC"],
        [[schedule.local(each).isoformat(), f"{each:%Y-%m-%dT%H:%M:%SZ}"] for each in found],
    )


@app.command()
@in_workspace
def render(
    job_file: JobFile,
    *,
    address: "WorkspaceAddress",
    cron: Cron,
    to: Annotated[
        Literal["github", "azure-devops", "systemd", "crontab"],
        typer.Option("--to", help="Who wakes it up."),
    ],
    zone: Zone = "UTC",
    overlap: OverlapChoice = None,
    catch_up: CatchUpChoice = "latest",
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write it there; for systemd's two files, a folder."),
    ] = None,
) -> None:
    """Print the file that makes a scheduler run a job. It names secrets, and holds none."""
    from submitter.schedule.instants import Schedule
    from submitter.schedule.rendering import Request
    from submitter.schedule.rendering import render as render_files

    named = (
        ("--subscription", address.subscription_id),
        ("--resource-group", address.resource_group),
        ("--workspace", address.name),
    )
    request = Request(
        job_file,
        Schedule(cron, zone),
        program=(sys.executable, "-m", "submitter"),
        overlap=_overlap(overlap, catch_up),
        catch_up=catch_up,
        options=tuple(word for option, value in named if value for word in (option, value)),
    )
    files = render_files(request, to)
    if output is None:
        for name, text in files.items():
            typer.echo((f"# {name}\n" if len(files) > 1 else "") + text, nl=False)
        return
    for name, text in files.items():
        _write(output / name if len(files) > 1 or output.is_dir() else output, text)


@app.command("run-due")
@in_workspace
def run_due(
    job_file: JobFile,
    *,
    open_workspace: OpenWorkspace,
    cron: Cron,
    zone: Zone = "UTC",
    overlap: OverlapChoice = None,
    catch_up: CatchUpChoice = "latest",
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="Where to remember what is handled."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="AGE",
            help="Without memory, look back so far: such as 6h, 2d, or a date. By default the "
            "first look finds nothing due.",
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Go on for ever.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the ends of the runs.")
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many instants at once at most.")
    ] = 100,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing if nothing is due.")] = False,
    allow_plaintext: AllowPlaintext = None,
) -> None:
    """Submit the runs that are due, each once, and print their ids."""
    from submitter.cli.runs.listing import moment_of
    from submitter.errors import InputError
    from submitter.job import Job
    from submitter.schedule.instants import Schedule
    from submitter.schedule.job_runs import JobRuns
    from submitter.schedule.keeping import Keeper
    from submitter.schedule.state import State
    from submitter.submission import run_ids

    if not (state or since or loop):
        raise InputError(
            "Without --state FILE, --since AGE or --loop nothing can be due: there is no time "
            "since when. A trigger that remembers nothing uses --since 6h."
        )
    if wait and loop:
        raise InputError("--loop waits for no run's end: leave --wait out.")
    schedule = Schedule(cron, zone)
    run_ids.scheduled(Job.from_file(job_file), datetime.now(timezone.utc))
    runs = JobRuns(job_file, open_workspace, allow_plaintext=allow_plaintext or ())
    keeper = Keeper(
        schedule,
        runs,
        state=State(state),
        since=moment_of(since) if since else None,
        overlap=_overlap(overlap, catch_up),
        catch_up=catch_up,
        most=most,
        on_event=say,
    )
    with _left_cleanly():
        if loop:
            say(f"Keeping '{cron}' in {zone}. {_upcoming(schedule)}")
            keeper.for_ever()
        keeper.once()
        for run_id in keeper.ids:
            typer.echo(run_id)
        if not keeper.ids and not quiet:
            say(f"Nothing was submitted. {_upcoming(schedule)}")
        if wait:
            _wait_for(runs)


def _overlap(
    overlap: Literal["skip", "queue"] | None, catch_up: Literal["none", "latest", "all"]
) -> "Overlap":
    from submitter.errors import InputError

    if overlap == "skip" and catch_up == "all":
        raise InputError(
            "--overlap skip with --catch-up all makes no sense: the first of the missed runs would "
            "go on, and the others be skipped. Use --overlap queue."
        )
    return overlap or ("queue" if catch_up == "all" else "skip")


def _upcoming(schedule: "Schedule") -> str:
    following = schedule.next(datetime.now(timezone.utc))
    return f"The next: {schedule.local(following).isoformat()}." if following else ""


def _wait_for(runs: "JobRuns") -> None:
    """Wait for the ends of the runs; raise what the first bad one stands for."""
    from submitter.runs.handle import raise_unless_completed

    ends = [run.wait() for run in runs.handles]
    for details in ends:
        say(f"{details.id}: {details.status}")
    for details in ends:
        raise_unless_completed(details)


def _write(path: Path, text: str) -> None:
    from submitter.errors import FolderError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FolderError(f"{path} cannot be written: {error.strerror}.") from None
    say(f"wrote {path}")


@contextmanager
def _left_cleanly() -> Iterator[None]:
    """Take SIGTERM for a Ctrl-C, and end on either with one sentence."""
    try:
        with termination_interrupts():
            yield
    except KeyboardInterrupt:
        say("Left. What was submitted goes on; what is due will be due at the next look.")
        raise typer.Exit(LEFT_WITH_CTRL_C) from None
