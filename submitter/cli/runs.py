"""`submitter runs`: come back to a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.options import (
    AsJson,
    ResourceGroup,
    RunId,
    Subscription,
    WorkspaceName,
    open_workspace,
)
from submitter.cli.output import print_json, print_rows, say
from submitter.cli.submit import as_data, follow_to_the_end

if TYPE_CHECKING:
    from submitter.submission import RunHandle

app = typer.Typer(help="Come back to a run.", no_args_is_help=True)


@app.command()
def show(
    run_id: RunId,
    *,
    as_json: AsJson = False,
    subscription: Subscription = None,
    resource_group: ResourceGroup = None,
    workspace: WorkspaceName = None,
) -> None:
    """Show a run's status, metrics and files."""
    run = _run(run_id, subscription, resource_group, workspace)
    data = {
        **as_data(run.details()),
        "metrics": dict(run.metrics()),
        "files": list(run.files()),
    }
    if as_json:
        print_json(data)
        return
    print_rows(
        ["what", "value"],
        [
            *((key, str(data[key])) for key in ("id", "experiment", "status")),
            *((("error", str(data["error"])),) if data["error"] else ()),
            *((f"metric {name}", str(value)) for name, value in run.metrics().items()),
            *(("file", name) for name in run.files()),
        ],
    )


@app.command()
def follow(
    run_id: RunId,
    *,
    as_json: AsJson = False,
    subscription: Subscription = None,
    resource_group: ResourceGroup = None,
    workspace: WorkspaceName = None,
) -> None:
    """Follow a run's log to its end; exit code 0 only if it completed."""
    run = _run(run_id, subscription, resource_group, workspace)
    follow_to_the_end(run, as_json=as_json)


@app.command()
def logs(
    run_id: RunId,
    *,
    subscription: Subscription = None,
    resource_group: ResourceGroup = None,
    workspace: WorkspaceName = None,
) -> None:
    """Print a run's log as far as it is written."""
    typer.echo(_run(run_id, subscription, resource_group, workspace).logs(), nl=False)


@app.command()
def cancel(
    run_id: RunId,
    *,
    subscription: Subscription = None,
    resource_group: ResourceGroup = None,
    workspace: WorkspaceName = None,
) -> None:
    """Ask the service to stop a run."""
    _run(run_id, subscription, resource_group, workspace).cancel()
    say(f"asked to cancel {run_id}")


@app.command()
def download(
    run_id: RunId,
    folder: Annotated[Path, typer.Argument(help="Where to put the files.")],
    *,
    prefix: Annotated[
        str, typer.Option(help="Which files; '' for all, logs included.")
    ] = "outputs",
    subscription: Subscription = None,
    resource_group: ResourceGroup = None,
    workspace: WorkspaceName = None,
) -> None:
    """Fetch the files that a run left."""
    for path in _run(run_id, subscription, resource_group, workspace).download(folder, prefix):
        typer.echo(path)


def _run(
    run_id: str, subscription: str | None, resource_group: str | None, workspace: str | None
) -> "RunHandle":
    from submitter.submission import get_run

    return get_run(run_id, workspace=open_workspace(subscription, resource_group, workspace))
