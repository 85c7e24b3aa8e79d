"""A bar that shows how far an upload is: at a terminal, and nowhere else."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submitter.backends.base import Uploaded


@contextmanager
def upload_progress() -> Iterator["Callable[[Uploaded], None] | None"]:
    """Show a bar on standard error while files are uploaded.

    Yields:
        What to call as the upload goes on; `None` in a pipe and in CI, where nobody looks.
    """
    if not sys.stderr.isatty() or os.environ.get("CI"):
        yield None
        return
    from rich.console import Console
    from rich.filesize import decimal
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn(),
        TextColumn("uploading"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,  # the run's own lines follow
    )
    task = bar.add_task("", start=True, visible=False, files="")

    def show(so_far: "Uploaded") -> None:
        bar.update(
            task,
            visible=so_far.all_files > 0,
            # By bytes, but an upload of empty files gets on too.
            completed=so_far.size + so_far.files,
            total=so_far.all_size + so_far.all_files,
            files=f"{so_far.files:,} of {so_far.all_files:,} files, "
            f"{decimal(so_far.size)} of {decimal(so_far.all_size)}",
        )

    with bar:
        yield show
