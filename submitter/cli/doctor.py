"""`submitter doctor`: which hop between this machine and the run's data is broken?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.following import LEFT_WITH_CTRL_C
from submitter.cli.options import AllowPlaintext, AsJson, in_workspace
from submitter.cli.output import print_json, say

if TYPE_CHECKING:
    from submitter.workspace import WorkspaceAddress


@in_workspace
def doctor(
    job_file: Annotated[
        Path | None,
        typer.Argument(metavar="[JOB.yml]", help="The job whose way to look at."),
    ] = None,
    *,
    address: "WorkspaceAddress",
    remote: Annotated[
        bool, typer.Option("--remote", help="Also submit the container's own check as a tiny run.")
    ] = False,
    allow_plaintext: AllowPlaintext = None,
    as_json: AsJson = False,
) -> None:
    """Try every hop from here to the run. The exit code is 0 only if none failed."""
    from submitter.doctor import examine
    from submitter.errors import InputError

    if remote and job_file is None:
        raise InputError("--remote runs where a job would: name the job file.")
    try:
        found = examine(
            job_file,
            address=address,
            remote=remote,
            report=(lambda _: None) if as_json else typer.echo,
            on_status=lambda status: say(f"[the run is {status}]"),
            allow_plaintext=allow_plaintext or (),
        )
    except KeyboardInterrupt:
        say("Left. A run that was going is cancelled.")
        raise typer.Exit(LEFT_WITH_CTRL_C) from None
    if as_json:
        print_json(found.as_json())
    raise typer.Exit(found.exit_code)
