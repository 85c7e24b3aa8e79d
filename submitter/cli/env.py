"""`submitter env`: the environments that runs use."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.options import AllowPlaintext, AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows, say

if TYPE_CHECKING:
    from submitter.job import EnvironmentReference

# Not 1, which says that something went wrong.
DIFFERS = 9

_DOCKER = Path("docker")
Folder = Annotated[Path, typer.Option(help="Where the Dockerfile and the conda.yml are.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--variable", metavar="NAME=VALUE", help="A variable of every run in it."),
]
FromEnv = Annotated[
    list[str] | None,
    typer.Option("--from-env", metavar="NAME", help="The same, with this shell's value."),
]
Named = Annotated[str, typer.Argument(metavar="NAME", help="NAME, or NAME:VERSION.")]

app = typer.Typer(help="The environments that runs use.", no_args_is_help=True)


@app.command()
@in_workspace
def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to register under.")],
    *,
    open_workspace: OpenWorkspace,
    folder: Folder = _DOCKER,
    variable: Variables = None,
    from_env: FromEnv = None,
    allow_plaintext: AllowPlaintext = None,
    as_json: AsJson = False,
) -> None:
    """Register docker/ as an environment; equal content keeps its version."""
    from submitter.backends.azureml_core import AzureMLCore
    from submitter.environment import from_folder, texts
    from submitter.guard import Search, in_texts, in_variables, own_forms, refuse

    variables = _variables(variable or [], from_env or [])
    allowed = allow_plaintext or []
    definition = from_folder(name, folder, variables)
    found = list(in_variables(variables, f"the environment {name}"))
    found += in_texts(texts(definition), Search(own_forms(os.environ, allowed)))
    for warning in refuse(found, allowed):
        say(f"warning: {warning}")
    opened = open_workspace()
    registered = AzureMLCore(opened).register(definition)
    if as_json:
        print_json({"name": registered.name, "version": registered.version})
    else:
        typer.echo(f"azureml:{registered.name}:{registered.version}")
        say(f"registered in {opened.name}; use it as environment: azureml:{name}@latest")


@app.command("list")
@in_workspace
def list_(
    *,
    open_workspace: OpenWorkspace,
    as_json: AsJson = False,
) -> None:
    """List the latest version of each registered environment."""
    from submitter.backends.azureml_core import AzureMLCore

    opened = open_workspace()
    found = AzureMLCore(opened).environments()
    if as_json:
        print_json([{"name": item.name, "version": item.version} for item in found])
    else:
        print_rows(["name", "version"], [[item.name, item.version] for item in found])


@app.command()
@in_workspace
def show(
    name: Named,
    *,
    open_workspace: OpenWorkspace,
    as_json: AsJson = False,
) -> None:
    """Show what a registered environment is made of, credentials masked."""
    import yaml

    from submitter.backends.azureml_core import AzureMLCore
    from submitter.guard import Search, masked, own_forms, shown

    search = Search(own_forms(os.environ))
    found = AzureMLCore(open_workspace()).environment(_reference(name))
    definition = found.definition
    data = {
        "name": found.name,
        "version": found.version,
        "variables": {key: shown(key, value) for key, value in definition.variables.items()},
        "image": masked(definition.image, search),
        "dockerfile": masked(definition.dockerfile, search),
        "conda": masked(definition.conda, search),
    }
    if as_json:
        print_json(data)
    else:
        typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


@app.command("diff")
@in_workspace
def diff(
    name: Named,
    *,
    open_workspace: OpenWorkspace,
    folder: Folder = _DOCKER,
    variable: Variables = None,
    from_env: FromEnv = None,
    as_json: AsJson = False,
) -> None:
    """Show what env register would change. Exit code 0: nothing, 9: something."""
    from submitter.backends.azureml_core import AzureMLCore
    from submitter.environment import from_folder
    from submitter.environment_changes import changes

    reference = _reference(name)
    definition = from_folder(reference.name, folder, _variables(variable or [], from_env or []))
    registered = AzureMLCore(open_workspace()).environment(reference)
    found = changes(registered.definition, definition)
    if as_json:
        print_json(
            {
                "name": registered.name,
                "version": registered.version,
                "folder": folder,
                "changes": [asdict(change) for change in found],
            }
        )
    else:
        print_rows(
            ["part", "name", f"version {registered.version}", str(folder)],
            [
                [change.part, change.name, change.before or "-", change.after or "-"]
                for change in found
            ],
        )
        same = f"{folder} is what azureml:{registered.name}:{registered.version} was made of"
        say(same if not found else f"{len(found)} changes; registering makes a new version")
    if found:
        raise typer.Exit(DIFFERS)


def _reference(text: str) -> "EnvironmentReference":
    from submitter.job import EnvironmentReference

    name, _, version = text.removeprefix("azureml:").partition(":")
    return EnvironmentReference(name=name, version=version or None)


def _variables(pairs: list[str], names: list[str]) -> dict[str, str]:
    from submitter.errors import InputError
    from submitter.guard import looks_like_credential

    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError("--variable takes NAME=VALUE.")
        if looks_like_credential(name):
            raise InputError(
                f"{name} looks like a credential, and a value on the command line is seen by "
                f"every user of this machine. Export it and use --from-env {name}"
            )
        variables[name] = value
    for name in names:
        if name not in os.environ:
            raise InputError(f"--from-env {name}: the variable {name} is not set here.")
        variables[name] = os.environ[name]
    return variables
