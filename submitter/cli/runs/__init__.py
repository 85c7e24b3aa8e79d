"""`submitter runs`: find runs, look at them, come back to them. One file a verb."""

import typer

from submitter.cli.runs import (
    cancel,
    compare,
    download,
    follow,
    listing,
    logs,
    show,
    tag,
)

app = typer.Typer(
    help="Come back to a run.",
    epilog=(
        "RUN is a run's id, a unique part of it (4 characters or more), its display name, or "
        "@last: your newest. Exit codes: 0 done, 2 wrong input or an ambiguous RUN, 4 no such run; "
        "of follow: 6 the run failed, 7 it was canceled, 130 left with Ctrl-C."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("list")(listing.list_)
app.command("show")(show.show)
app.command("logs")(logs.logs)
app.command("follow")(follow.follow)
app.command("cancel")(cancel.cancel)
app.command("download")(download.download)
app.command("tag")(tag.tag)
app.command("compare")(compare.compare)
