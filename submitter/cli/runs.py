"""`submitter runs`: come back to a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.following import as_data, follow_to_the_end
from submitter.cli.options import AsJson, OpenWorkspace, RunId, in_workspace
from submitter.cli.output import print_json, print_rows, say

if TYPE_CHECKING:
    from submitter.run_handle import RunHandle

app = typer.Typer(help="Come back to a run.", no_args_is_help=True)


@app.command()
@in_workspace
def show(
    run_id: RunId,
    *,
    open_workspace: OpenWorkspace,
    as_json: AsJson = False,
) -> None:
    """Show a run's status, metrics and files."""
    run = _run(run_id, open_workspace)
    details, metrics, files = run.details(), dict(run.metrics()), list(run.files())
    if as_json:
        print_json({**as_data(details), "metrics": metrics, "files": files})
        return
    rows = [("id", details.id), ("experiment", details.experiment), ("status", details.status)]
    rows += [("error", details.error)] if details.error else []
    rows += [(f"metric {name}", str(value)) for name, value in metrics.items()]
    rows += [("file", name) for name in files]
    print_rows(["what", "value"], rows)


@app.command()
@in_workspace
def follow(
    run_id: RunId,
    *,
    open_workspace: OpenWorkspace,
    as_json: AsJson = False,
) -> None:
    """Follow a run's log to its end; exit code 0 only if it completed."""
    run = _run(run_id, open_workspace)
    follow_to_the_end(run, as_json=as_json)


@app.command()
@in_workspace
def logs(
    run_id: RunId,
    *,
    open_workspace: OpenWorkspace,
) -> None:
    """Print a run's log as far as it is written."""
    typer.echo(_run(run_id, open_workspace).logs(), nl=False)


@app.command()
@in_workspace
def cancel(
    run_id: RunId,
    *,
    open_workspace: OpenWorkspace,
) -> None:
    """Ask the service to stop a run."""
    _run(run_id, open_workspace).cancel()
    say(f"asked to cancel {run_id}")


@app.command()
@in_workspace
def download(
    run_id: RunId,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")],
    *,
    open_workspace: OpenWorkspace,
    prefix: Annotated[
        str, typer.Option(help="Which files; '' for all, logs included.")
    ] = "outputs",
) -> None:
    """Fetch the files that a run left."""
    for path in _run(run_id, open_workspace).download(folder, prefix):
        typer.echo(path)


def _run(run_id: str, open_workspace: OpenWorkspace) -> "RunHandle":
    from submitter.submission import get_run

    return get_run(run_id, workspace=open_workspace())
