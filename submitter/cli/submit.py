"""`submitter submit`: start a job's run and follow it to its end."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from submitter.cli.array import submit_array
from submitter.cli.following import AllLogs, LogNames, as_data, end_with, show_to_its_end
from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say
from submitter.cli.plan import compute_line, environment_line
from submitter.cli.progress import upload_progress

if TYPE_CHECKING:
    from submitter.backends.base import Survey
    from submitter.planning import Plan
    from submitter.runs.handle import RunHandle

_CHANGES_SHOWN = 10


@in_workspace
def submit(
    job_file: JobFile,
    *,
    open_workspace: OpenWorkspace,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the run, or leave once it is in.")
    ] = True,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="INPUT=VALUES",
            help="Give an input another value; A,B or 1..5 makes an array of runs.",
        ),
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, help="How many runs of an array there may be at a time.")
    ] = 4,
    run_id: Annotated[
        str | None,
        typer.Option(help="The run's id; if there is a run of that id, attach to it."),
    ] = None,
    scheduled_for: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Make the id of job and time (ISO 8601): one run a time, ever."
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often to try again what the service lost.")
    ] = 0,
    all_logs: AllLogs = False,
    logs: LogNames = None,
    allow_plaintext: AllowPlaintext = None,
    on_emulator: Annotated[
        bool, typer.Option("--emulator", help="Run it on this machine, without Azure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job and follow its run. The exit code is 0 only if the run completed."""
    if on_emulator:
        from submitter.cli.emulator import submit_on_emulator

        config = job_file.parent / "emulator.yml"
        arguments = [argument for argument in sys.argv[1:] if argument != "--emulator"]
        raise typer.Exit(submit_on_emulator(arguments, config if config.exists() else None))
    from submitter.account import signs_in_silently
    from submitter.errors import InputError
    from submitter.job import Job
    from submitter.submission import run_ids
    from submitter.submission.members import members
    from submitter.workspace import begin_to_open

    if retries and not wait:
        raise InputError("--retries needs somebody who waits: leave --no-wait out.")
    instant = run_ids.instant_of(scheduled_for) if scheduled_for else None
    varied = members(settings or ())
    job = Job.from_file(job_file)
    chosen = run_ids.chosen(job, run_id=run_id, scheduled_for=instant)
    job.with_inputs(varied[0].inputs)  # all set the same ones: a wrong name is told at once
    # The way to the workspace takes as long as the search of the files: both at a time.
    opening = begin_to_open(open_workspace) if signs_in_silently() else None
    from submitter.planning import plan, with_inputs
    from submitter.submission.attempts import carry_through
    from submitter.submission.submitting import submit

    allowed = allow_plaintext or ()
    made = plan(job, allow_plaintext=allowed)
    plans = [with_inputs(made, each.inputs, allow_plaintext=allowed) for each in varied]
    for warning in made.warnings:
        say(f"warning: {warning}")
    opened = opening.result() if opening else open_workspace()
    if len(varied) > 1:
        submit_array(
            plans,
            varied,
            opened,
            array_id=chosen,
            at_once=at_once,
            retries=retries,
            wait=wait,
            as_json=as_json,
        )
        return
    [only] = plans

    def start(chosen: str | None) -> "RunHandle":
        with upload_progress() as on_upload:
            run = submit(
                only,
                run_id=chosen,
                workspace=opened,
                on_survey=lambda survey: _tell(only, survey),
                on_upload=on_upload,
            )
        say(f"{'attached to the run' if run.attached else 'run'} {run.id}")
        return run

    _tell_changes(only, opened)
    run = start(chosen)
    if wait:
        details = carry_through(
            run,
            follow=lambda each: show_to_its_end(
                each, as_json=as_json, all_logs=all_logs, logs=logs or ()
            ),
            again=start,
            retries=retries,
            on_retry=lambda ended, pause: say(
                f"{ended.id} failed: {ended.error} Trying again in {pause:.0f} s."
            ),
        )
        end_with(details, as_json=as_json)
    elif as_json:
        print_json(as_data(run.details()))
    else:
        typer.echo(run.id)


def _tell(plan: "Plan", survey: "Survey") -> None:
    """Show the short form of a plan, before anything is uploaded."""
    say(f"environment  {environment_line(plan, survey)}")
    say(f"compute      {compute_line(survey.compute)}")
    say(f"snapshot     {len(plan.files)} files, {plan.snapshot_size / 1e6:.2f} MB")


def _tell_changes(plan: "Plan", workspace: Any) -> None:
    """Tell a person at a terminal what differs from the last submission of the same job."""
    if not sys.stderr.isatty():
        return
    from submitter import summary
    from submitter.submission import records
    from submitter.workspace import full_name

    before = records.last_of(plan.job, full_name(workspace))
    if before is None:
        return
    changes = summary.differences(before.fingerprint, summary.fingerprint(plan))
    say(f"since {before.run_id}: {'nothing has changed' if not changes else ''}")
    for line in changes[:_CHANGES_SHOWN]:
        say(f"  {line}")
    if len(changes) > _CHANGES_SHOWN:
        say(f"  and {len(changes) - _CHANGES_SHOWN} more")
