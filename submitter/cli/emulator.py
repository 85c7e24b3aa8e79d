"""`submitter emulator`: the Azure that runs on a laptop."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.output import say

if TYPE_CHECKING:
    from submitter.emulator import Config, Emulator

app = typer.Typer(help="The Azure that runs on this machine.", no_args_is_help=True)
_SIGNALED = 128  # a shell's exit code for a program that a signal ended is this and the signal
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="By default emulator.yml in this folder, if it is there."),
]


@app.command("exec", context_settings={"allow_interspersed_args": False})
def exec_(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="Any program, after --.")],
    *,
    config: ConfigFile = None,
) -> None:
    """Run any program against an emulator that lives as long as the program."""
    raise typer.Exit(run_on_emulator(command, config or _default_config()))


@app.command()
def start(*, config: ConfigFile = None) -> None:
    """Start an emulator and print the variables that point a shell at it; Ctrl-C ends it."""
    with _emulator(config or _default_config()) as azure, _workspace_config(azure):
        for name, value in azure.environ.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        say("The emulator is up. Press Ctrl-C to end it.")
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        try:
            stopped.wait()
        except KeyboardInterrupt:
            say("ended")


def submit_on_emulator(arguments: Sequence[str], config: Path | None) -> int:
    """Run this command line with an emulator around it, and name its workspace with options.

    Args:
        arguments: What stands behind `submitter`.
        config: An emulator.yml; `None` for the defaults.

    Returns:
        The command line's exit code.
    """
    with _emulator(config) as azure:
        address = azure.workspace
        options = {
            "--subscription": address["subscription_id"],
            "--resource-group": address["resource_group"],
            "--workspace": address["workspace_name"],
        }
        given = [word for option in options.items() for word in option]
        return _run([sys.executable, "-m", "submitter", *arguments, *given], azure)


def run_on_emulator(command: Sequence[str], config: Path | None) -> int:
    """Run a program with an emulator around it.

    Args:
        command: The program and its arguments.
        config: An emulator.yml; `None` for the defaults.

    Returns:
        The program's exit code.
    """
    with _emulator(config) as azure, _workspace_config(azure):
        return _run(command, azure)


def _run(command: Sequence[str], azure: "Emulator") -> int:
    from submitter.backends.base import ENDED
    from submitter.errors import InputError

    try:
        process = subprocess.Popen(command, env={**os.environ, **azure.environ})
    except OSError as error:
        raise InputError(f"{command[0]} cannot be started: {error.strerror}.") from None
    with _left_to(process):
        code = process.wait()
    going = [run.run_id for run in azure.runs if run.status not in ENDED]
    if going:
        say(f"The emulator ends, and with it: {', '.join(going)}")
    return code if code >= 0 else _SIGNALED - code


@contextmanager
def _emulator(config: Path | None) -> Iterator["Emulator"]:
    from submitter.errors import InputError

    try:
        from submitter.emulator import Config, Emulator, EmulatorError, load_config
    except ModuleNotFoundError as error:
        raise InputError(
            f"The emulator needs {error.name}. Install it with: pip install 'submitter[emulator]'"
        ) from None
    # Until somebody else takes care of it: an ordinary way out, on which everything is tidied up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_SIGNALED + signal.SIGTERM))
    try:
        played = _in_the_projects_workspace(load_config(config) if config else Config())
        with Emulator(played) as azure:
            yield azure
    except EmulatorError as error:
        raise InputError(str(error)) from None


def _in_the_projects_workspace(config: "Config") -> "Config":
    """Play the workspace that this folder's config.json names, if there is one."""
    from submitter.workspace import find_config, read_config

    path = find_config(Path.cwd())
    if path is None:
        return config
    subscription, group, name = read_config(path)
    workspace = replace(
        config.workspace, subscription_id=subscription, resource_group=group, name=name
    )
    return replace(config, workspace=workspace)


@contextmanager
def _workspace_config(azure: "Emulator") -> Iterator[None]:
    """Lend this folder a config.json for `Workspace.from_config()`, unless it has its own."""
    from submitter.workspace import find_config

    if find_config(Path.cwd()):
        yield
        return
    path = azure.write_workspace_config(Path.cwd())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


@contextmanager
def _left_to(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Leave Ctrl-C to the program: the terminal sends it there too, and it knows what to do."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminate = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, terminate)


def _default_config() -> Path | None:
    path = Path("emulator.yml")
    return path if path.exists() else None
