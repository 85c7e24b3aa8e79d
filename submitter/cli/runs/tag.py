"""`submitter runs tag`: set tags and take others off."""

from typing import Annotated

import typer

from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows
from submitter.cli.runs.listing import tags_of
from submitter.cli.runs.run_argument import RunName, find


@in_workspace
def tag(
    run_name: RunName,
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="The tags to set.")
    ] = None,
    *,
    open_workspace: OpenWorkspace,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="Take this one off.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set tags of a run, take others off, and show them all."""
    from submitter.errors import InputError
    from submitter.guard import shown

    wanted = tags_of(pairs or [])
    if "" in wanted:
        raise InputError("A tag is NAME=VALUE; one has no name.")
    run = find(run_name, open_workspace)
    if wanted or remove:
        run.tag({name: value or "" for name, value in wanted.items()}, remove=remove or ())
    tags = {name: shown(name, value) for name, value in run.tags.items()}
    if as_json:
        print_json(tags)
    else:
        print_rows(["tag", "value"], list(tags.items()))
