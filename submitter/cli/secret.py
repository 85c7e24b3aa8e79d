"""`submitter secret`: the workspace's own vault."""

import getpass
import os
import sys
from typing import Annotated

import typer

from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say

app = typer.Typer(help="The secrets in the workspace's vault.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and '-'.")]


@app.command("set")
@in_workspace
def set_(
    name: Name,
    extra: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    *,
    open_workspace: OpenWorkspace,
    from_env: Annotated[
        str | None,
        typer.Option("--from-env", metavar="VARIABLE", help="Take the value from this variable."),
    ] = None,
) -> None:
    """Set a secret: from a prompt without echo, a variable, or standard input."""
    from submitter.errors import InputError
    from submitter.secrets import check_name, set_secrets

    if extra:
        raise InputError(
            "The value does not go on the command line, where every user of this machine sees "
            "it. Type it at the prompt, or use --from-env VARIABLE or standard input."
        )
    check_name(name)
    value = _from_variable(from_env) if from_env else _read_value(name)
    opened = open_workspace()
    set_secrets(opened, {name: value})
    say(f"set {name} in the vault of {opened.name}")


@app.command("set-many")
@in_workspace
def set_many(
    pairs: Annotated[
        list[str], typer.Argument(metavar="NAME=VARIABLE", help="Secret = variable to read.")
    ],
    *,
    open_workspace: OpenWorkspace,
) -> None:
    """Set several secrets, each from a variable: set-many sql-user=DB_USER sql-password=DB_PWD."""
    from submitter.errors import InputError
    from submitter.secrets import check_name, set_secrets

    values = {}
    for pair in pairs:
        name, equals, variable = pair.partition("=")
        if not equals:
            raise InputError("set-many takes NAME=VARIABLE: the variable's name, not the value.")
        check_name(name)
        values[name] = _from_variable(variable)
    opened = open_workspace()
    set_secrets(opened, values)
    say(f"set {', '.join(values)} in the vault of {opened.name}")


@app.command("list")
@in_workspace
def list_(
    *,
    open_workspace: OpenWorkspace,
    as_json: AsJson = False,
) -> None:
    """List the names of the secrets; values are never shown."""
    from submitter.secrets import list_secrets

    names = list_secrets(open_workspace())
    if as_json:
        print_json(names)
    else:
        for name in names:
            typer.echo(name)


@app.command()
@in_workspace
def delete(
    name: Name,
    *,
    open_workspace: OpenWorkspace,
) -> None:
    """Delete a secret."""
    from submitter.secrets import delete_secret

    opened = open_workspace()
    delete_secret(opened, name)
    say(f"deleted {name} from the vault of {opened.name}")


def _from_variable(variable: str) -> str:
    from submitter.errors import InputError

    if variable not in os.environ:
        # Whoever put the value where the variable belongs must not read it in a log.
        raise InputError(
            "The variable to take the value from is not set here. Give a variable's name, not "
            "a value: a value on the command line is seen by every user of this machine."
        )
    return os.environ[variable]


def _read_value(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name} (not shown): ")
    return sys.stdin.read().rstrip("\r\n")
