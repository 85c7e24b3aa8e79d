"""`submitter runs logs`: what a run has written so far."""

import sys
from typing import Annotated

import typer

from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json
from submitter.cli.runs.run_argument import RunName, find


@in_workspace
def logs(
    run_name: RunName,
    *,
    open_workspace: OpenWorkspace,
    log: Annotated[
        str | None, typer.Option("--log", metavar="NAME", help="This log; may be a pattern.")
    ] = None,
    all_logs: Annotated[
        bool, typer.Option("--all", help="The logs of all nodes and processes.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", metavar="N", min=1, help="Only the last N lines.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a run's log as far as it is written."""
    run = find(run_name, open_workspace)
    name = "*" if all_logs else log
    if as_json:
        print_json({each: run.logs(each, tail=tail) for each in run.log_names(name)})
        return
    sys.stdout.buffer.write(run.logs(name, tail=tail).encode())
    sys.stdout.flush()
