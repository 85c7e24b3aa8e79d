"""`submitter audit`: what a run shows to everyone who can read the workspace."""

import typer

from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows
from submitter.cli.runs.run_argument import RunName, find


@in_workspace
def audit(run_name: RunName, *, open_workspace: OpenWorkspace, as_json: AsJson = False) -> None:
    """Search what a run shows for credentials. The exit code is 8 if there are any."""
    from submitter.runs.audit import as_data

    made = find(run_name, open_workspace).audit()
    if as_json:
        print_json(as_data(made))
    else:
        print_rows(
            ["looked at", "texts or bytes"],
            [[place, f"{many}"] for place, many in made.looked_at.items()],
        )
    made.raise_if_exposed()
    if not as_json:
        typer.echo(f"no credential is in plain view in {made.run_id}", err=True)
