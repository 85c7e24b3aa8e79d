"""Options that several verbs share."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

JobFile = Annotated[
    Path, typer.Argument(metavar="JOB.yml", help="The job file (Azure ML command-job YAML).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
AllowPlaintext = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-plaintext",
        metavar="WHAT",
        help="Let a credential travel that all of the workspace can read: VARIABLE, FILE or "
        "FILE:LINE.",
    ),
]
OpenWorkspace = Callable[[], Any]

_ADDRESS = {
    "subscription": Annotated[
        str | None, typer.Option("--subscription", help="The workspace's subscription id.")
    ],
    "resource_group": Annotated[
        str | None, typer.Option("--resource-group", help="The workspace's resource group.")
    ],
    "workspace": Annotated[
        str | None,
        typer.Option(
            "--workspace", help="The workspace; by default that of the nearest config.json."
        ),
    ],
}


def in_workspace(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that name a workspace.

    Args:
        verb: A command with a parameter `open_workspace`, which opens the workspace when called,
            or `address`, which names it.

    Returns:
        The command with three options in that parameter's place.
    """

    @functools.wraps(verb)
    def command(*, subscription: Any, resource_group: Any, workspace: Any, **others: Any) -> None:
        from submitter.workspace import WorkspaceAddress, open_workspace

        address = WorkspaceAddress(subscription, resource_group, workspace)
        if wanted == "address":
            verb(address=address, **others)
        else:
            verb(open_workspace=lambda: open_workspace(address), **others)

    own = dict(inspect.signature(verb).parameters)
    wanted = "address" if "address" in own else "open_workspace"
    del own[wanted]
    address = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _ADDRESS.items()
    ]
    parameters = [*own.values(), *address]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command
