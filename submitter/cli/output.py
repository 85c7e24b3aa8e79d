"""What verbs print: tables at a terminal, tab-separated lines in a pipe, JSON on request."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer


def print_json(data: Any) -> None:
    """Print data as JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows: aligned with a header at a terminal, tab-separated in a pipe."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def say(text: str, *, end: str = "\n") -> None:
    """Tell a person what is going on, beside the verb's own output."""
    typer.echo(text + end, err=True, nl=False)
