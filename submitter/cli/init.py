"""`submitter init`: write an example project."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from submitter.cli.output import say


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    *,
    example: Annotated[
        Literal["flights", "extract"],
        typer.Option(help="A model that is trained, or a table that is extracted every night."),
    ] = "flights",
) -> None:
    """Write an example project. It runs as it is: submitter submit job.yml --emulator."""
    from submitter.errors import InputError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; nothing was written.")
    template = Path(__file__).parent.parent / "templates" / example
    try:
        shutil.copytree(
            template, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}.") from None
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            typer.echo(path)
    say(f"Try it without Azure: cd {folder} && submitter submit job.yml --emulator")
