"""Parts of statements that parse and would be silently wrong, so they are refused."""

from sqlglot import exp

from submitter.emulator.sqlserver.errors import not_played

_HARMLESS_HINTS = frozenset(
    [
        "nolock",
        "readuncommitted",
        "readcommitted",
        "readpast",
        "repeatableread",
        "serializable",
        "holdlock",
        "rowlock",
        "paglock",
        "tablock",
        "tablockx",
        "updlock",
        "xlock",
        "snapshot",
        "nowait",
        "noexpand",
        "forceseek",
        "forcescan",
    ]
)


def refuse_unplayed(tree: exp.Expression) -> None:
    """Refuse what the emulator does not play, wherever it stands in a statement.

    Raises:
        SqlError: 40000.
    """
    for node in tree.walk():
        if node.args.get("for_"):
            raise not_played("FOR XML and FOR JSON")
        if node.args.get("pivots"):
            raise not_played("PIVOT")
        if isinstance(node, exp.WithTableHint):
            for hint in node.expressions:
                if hint.name.lower() not in _HARMLESS_HINTS | {"index"}:
                    raise not_played(f"the table hint {hint.name}")
        if isinstance(node, exp.AtTimeZone):
            raise not_played("AT TIME ZONE")
        if isinstance(node, exp.Window) and isinstance(node.this, exp.WithinGroup):
            raise not_played("WITHIN GROUP ... OVER")
