"""`submitter runs compare`: what differs between runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from submitter.cli.following import span
from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows

if TYPE_CHECKING:
    from submitter.runs.comparison import Aspect

_FEWEST = 2


@in_workspace
def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more.")],
    *,
    open_workspace: OpenWorkspace,
    everything: Annotated[bool, typer.Option("--all", help="Show what is equal too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show in what runs differ. Command, variables, environment, metrics, duration."""
    from submitter.errors import InputError
    from submitter.runs.comparison import compare
    from submitter.runs.names import find_run, short_id

    if len(names) < _FEWEST:
        raise InputError("Name two runs or more to compare.")
    opened = open_workspace()
    runs = [find_run(name, workspace=opened) for name in names]
    found = [aspect for aspect in compare(runs) if everything or aspect.differs]
    if as_json:
        aspects = [{"name": aspect.name, "values": list(aspect.values)} for aspect in found]
        print_json({"runs": [run.id for run in runs], "aspects": aspects})
        return
    columns = ["", *(short_id(run.id) for run in runs)]
    print_rows(columns, [_as_row(aspect) for aspect in found])


def _as_row(aspect: "Aspect") -> list[str]:
    return [aspect.name, *(_as_text(aspect.name, value) for value in aspect.values)]


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "seconds":
        return span(value)
    if isinstance(value, list):  # a series of a metric: its last value is what came of it
        return f"{_as_text('', value[-1])} ({len(value)} values)" if value else ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
