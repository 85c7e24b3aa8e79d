"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Any

import typer

JobFile = Annotated[Path, typer.Argument(help="The job file (Azure ML command-job YAML).")]
RunId = Annotated[str, typer.Argument(help="The run's id, as submit printed it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Subscription = Annotated[
    str | None, typer.Option("--subscription", help="The workspace's subscription id.")
]
ResourceGroup = Annotated[
    str | None, typer.Option("--resource-group", help="The workspace's resource group.")
]
WorkspaceName = Annotated[
    str | None,
    typer.Option("--workspace", help="The workspace; by default that of the nearest config.json."),
]
AllowPlaintext = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-plaintext",
        metavar="VARIABLE",
        help="Let this variable carry a credential that all of the workspace can read.",
    ),
]


def open_workspace(
    subscription: str | None, resource_group: str | None, workspace: str | None
) -> Any:
    """Open the workspace that the options name."""
    from submitter.workspace import WorkspaceAddress, open_workspace

    return open_workspace(WorkspaceAddress(subscription, resource_group, workspace))
