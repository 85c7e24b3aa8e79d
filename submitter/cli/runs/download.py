"""`submitter runs download`: fetch the files that a run left."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from submitter.cli.following import LEFT_WITH_CTRL_C
from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say
from submitter.cli.runs.run_argument import RunName, find

if TYPE_CHECKING:
    from submitter.runs.downloads import Progress as FileProgress


@in_workspace
def download(
    run_name: RunName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")],
    *,
    open_workspace: OpenWorkspace,
    prefix: Annotated[
        str, typer.Option(help="Which files; '' for all, logs included.")
    ] = "outputs",
    as_json: AsJson = False,
) -> None:
    """Fetch the files that a run left. What is here already is not fetched again."""
    run = find(run_name, open_workspace)
    try:
        with _progress() as note:
            paths = run.download(folder, prefix, on_progress=note)
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on from there.")
        raise typer.Exit(LEFT_WITH_CTRL_C) from None
    if as_json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        typer.echo(path)


@contextmanager
def _progress() -> "Iterator[Callable[[FileProgress], object]]":
    """Show at a terminal how the download comes along."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    known: dict[str, tuple[int, int]] = {}
    lock = threading.Lock()
    columns = (
        TextColumn("{task.fields[files]} files"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, files=0)

        def note(progress: "FileProgress") -> None:
            with lock:
                known[progress.file] = (progress.fetched, progress.size)
                fetched, sizes = zip(*known.values(), strict=True)
                bar.update(task, completed=sum(fetched), total=sum(sizes), files=len(known))

        yield note
