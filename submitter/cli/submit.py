"""`submitter submit`: start a job's run and follow it to its end."""

import sys
from typing import Annotated

import typer

from submitter.cli.following import as_data, follow_to_the_end
from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say


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
    run = submit(made, workspace=opened)
    say(f"run {run.id}")
    if wait:
        follow_to_the_end(run, as_json=as_json)
    elif as_json:
        print_json(as_data(run.details()))
    else:
        typer.echo(run.id)
