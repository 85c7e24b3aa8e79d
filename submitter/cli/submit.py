"""`submitter submit`: start a job's run and follow it to its end."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say
from submitter.cli.progress import upload_progress

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails
    from submitter.submission import RunHandle

LEFT_WITH_CTRL_C = 130


@in_workspace
def submit(
    job_file: JobFile,
    *,
    open_workspace: OpenWorkspace,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the run, or leave once it is in.")
    ] = True,
    allow_plaintext: AllowPlaintext = None,
    on_emulator: Annotated[
        bool, typer.Option("--emulator", help="Run it on this machine, without Azure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job, follow its log, and end with 0 only if the run completed."""
    if on_emulator:
        from submitter.cli.emulator import submit_on_emulator

        config = job_file.parent / "emulator.yml"
        arguments = [argument for argument in sys.argv[1:] if argument != "--emulator"]
        raise typer.Exit(submit_on_emulator(arguments, config if config.exists() else None))
    from submitter.job import Job
    from submitter.planning import plan
    from submitter.submission import submit

    made = plan(Job.from_file(job_file), allow_plaintext=allow_plaintext or ())
    for warning in made.warnings:
        say(f"warning: {warning}")
    opened = open_workspace()
    say(
        f"submitting {len(made.files)} files, {made.snapshot_size / 1e6:.2f} MB, to "
        f"{made.job.compute} of {opened.name}"
    )
    with upload_progress() as on_upload:
        run = submit(made, workspace=opened, on_upload=on_upload)
    say(f"run {run.id}")
    if wait:
        follow_to_the_end(run, as_json=as_json)
    elif as_json:
        print_json(as_data(run.details()))
    else:
        typer.echo(run.id)


def follow_to_the_end(run: "RunHandle", *, as_json: bool) -> None:
    """Show the run's log; raise what its end stands for.

    With `as_json` the log goes to standard error, and standard output is JSON alone.
    """
    from submitter.submission import raise_unless_completed

    stream = (sys.stderr if as_json else sys.stdout).buffer
    started = time.monotonic()

    def write(piece: bytes) -> None:
        stream.write(piece)
        stream.flush()

    try:
        details = run.follow(
            write, lambda status: say(f"[{time.monotonic() - started:6.1f} s] {status}")
        )
    except KeyboardInterrupt:
        say(
            f"\nLeft the run {run.id} going. Come back with: submitter runs follow {run.id}\n"
            f"Stop it with: submitter runs cancel {run.id}"
        )
        raise typer.Exit(LEFT_WITH_CTRL_C) from None
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
