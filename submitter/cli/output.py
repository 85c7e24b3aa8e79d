"""What verbs print: tables at a terminal, tab-separated lines in a pipe, JSON on request."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer

# A tab or a line's end inside a cell would look like another cell or row.
_ONE_CELL = str.maketrans("\t\r\n", "   ")


def print_json(data: Any) -> None:
    """Print data as JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_in_json))


def _in_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, shorten: bool = False
) -> None:
    """Print rows: aligned with a header at a terminal, tab-separated in a pipe.

    Args:
        columns: The header.
        rows: The cells.
        shorten: At a terminal, keep each row on one line, however narrow that is.
    """
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(cell.translate(_ONE_CELL) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=shorten, overflow="ellipsis" if shorten else "fold")
    for row in rows:
        table.add_row(*map(Text, row))  # a text of a user's is no markup
    Console().print(table)


def say(text: str, *, end: str = "\n") -> None:
    """Tell a person what is going on, beside the verb's own output."""
    typer.echo(text + end, err=True, nl=False)
