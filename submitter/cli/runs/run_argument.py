"""The argument that names a run."""

from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.options import OpenWorkspace

if TYPE_CHECKING:
    from submitter.runs.handle import RunHandle

RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Its id, a unique part of it, its display name, or @last."),
]


def find(name: str, open_workspace: OpenWorkspace) -> "RunHandle":
    """Find the run that a person means, in the workspace that they mean."""
    from submitter.runs.names import find_run

    return find_run(name, workspace=open_workspace())
