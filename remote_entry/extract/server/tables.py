"""What the server's catalogue knows of a table.

Of queries, views, synonyms and other databases' tables it says nothing here; nor of what the login
may not see.
"""

from remote_entry.extract.server.source import Source
from remote_entry.extract.spec import Spec


def is_own_table(source: Source, spec: Spec) -> bool:
    """Tell whether the extract reads a table of this very database."""
    return _counts_one(source, spec, "")


def lacks_index(source: Source, spec: Spec, column: str) -> bool:
    """Tell whether it does, and no index of the table begins with a column."""
    return _counts_one(
        source,
        spec,
        " AND NOT EXISTS (SELECT 1 FROM sys.index_columns AS i JOIN sys.columns AS c ON "  # noqa: S608
        "c.object_id = i.object_id AND c.column_id = i.column_id WHERE i.object_id = t.object_id "
        f"AND i.key_ordinal = 1 AND c.name = {_text(column)})",
    )


def _counts_one(source: Source, spec: Spec, condition: str) -> bool:
    """Tell whether there is such a table, and a condition holds for it."""
    if spec.table is None:
        return False
    named = f"t.object_id = OBJECT_ID({_text(spec.table)})"
    sql = f"SELECT COUNT(*) AS n FROM sys.tables AS t WHERE {named}{condition}"  # noqa: S608
    [(found,)] = source.ask(sql)
    return int(found) > 0


def _text(value: str) -> str:
    return "N'" + value.replace("'", "''") + "'"
