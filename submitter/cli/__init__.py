"""The command line: one file a verb."""

import logging
import os
import sys
from typing import Annotated

import typer

from submitter import __version__
from submitter.cli import audit, doctor, emulator, env, init, plan, runs, schedule, secret, submit
from submitter.errors import SubmitterError

app = typer.Typer(
    help="Submit Azure ML runs that read a database without holding its password.",
    epilog=(
        "Exit codes: 0 done, 1 unexpected, 2 wrong input, 3 sign-in or workspace, 4 not found, "
        "5 the service, 6 the run failed, 7 the run was canceled, 8 a credential is in view, "
        "9 env diff found a difference, 130 left with Ctrl-C."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("submit")(submit.submit)
app.command("plan")(plan.plan)
app.command("audit")(audit.audit)
app.command("doctor")(doctor.doctor)
app.command("init")(init.init)
app.add_typer(runs.app, name="runs")
app.add_typer(schedule.app, name="schedule")
app.add_typer(env.app, name="env")
app.add_typer(secret.app, name="secret")
app.add_typer(emulator.app, name="emulator")


@app.callback()
def options(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
) -> None:
    """Read what stands before the verb."""
    if version:
        typer.echo(f"submitter {__version__}")
        raise typer.Exit
    if debug:
        os.environ["SUBMITTER_DEBUG"] = "1"
    else:  # what the SDK complains of is explained by our own errors
        logging.getLogger("azureml").setLevel(logging.CRITICAL)


def run() -> None:
    """Be the program `submitter`: what `main` does, and after an error an end at once.

    An orderly exit would wait for the SDK's threads, and those perhaps for a silent service.
    """
    try:
        main()
    except SystemExit as end:
        if not end.code:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


def main() -> None:
    """Run the command line; an error is one message and an exit code, no traceback."""
    try:
        app()
    except SubmitterError as error:
        if os.environ.get("SUBMITTER_DEBUG"):
            raise
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("SUBMITTER_DEBUG"):
            raise
        # Its text may hold anything, so only its class is shown.
        said = f"unexpected {type(error).__name__}. Run submitter --debug … for the traceback."
        typer.secho(f"error: {said}", fg="red", err=True)
        sys.exit(1)
