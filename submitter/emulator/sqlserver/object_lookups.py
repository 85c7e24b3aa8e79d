"""OBJECT_ID and OBJECTPROPERTY of what a row says, as subqueries of the catalogue's views.

SQLAlchemy 2.0 asks so for a table's primary key. OBJECT_ID of a literal or a variable needs no
rows and is left to `system_values`. Sources: "OBJECT_ID" and "OBJECTPROPERTY (Transact-SQL)".
"""

import sqlglot
from sqlglot import exp

from submitter.emulator.sqlserver.errors import not_played
from submitter.emulator.sqlserver.parsing import EmulatedTSQL
from submitter.emulator.sqlserver.system_values import PLAYED_PROPERTY

_OBJECT_ID = """(
    SELECT MAX(asked_object.object_id) FROM sys.objects AS asked_object
    JOIN sys.schemas AS asked_schema ON asked_schema.schema_id = asked_object.schema_id
    WHERE REPLACE(REPLACE(@asked, '[', ''), ']', '')
        IN (asked_schema.name + '.' + asked_object.name, asked_object.name)
)"""
_IS_CLUSTERED = """(
    SELECT MAX(CASE WHEN asked_key.type = 'PK' THEN 1 ELSE 0 END)
    FROM sys.key_constraints AS asked_key
    WHERE asked_key.object_id = @asked AND @property = 'CnstIsClustKey'
)"""


def expand(tree: exp.Expression) -> None:
    """Put subqueries in the place of both functions where a row gives the argument.

    Raises:
        SqlError: 40000 where a column in the argument does not say whose it is.
    """
    for node in reversed(list(tree.find_all(exp.Anonymous))):
        name, arguments = node.name.lower(), node.expressions
        if name == "object_id" and len(arguments) == 1 and isinstance(arguments[0], exp.Binary):
            node.replace(_subquery(_OBJECT_ID, asked=arguments[0]))
        elif name == "objectproperty" and len(arguments) == 2:  # noqa: PLR2004 - id and property
            played = exp.Anonymous(this=PLAYED_PROPERTY, expressions=[arguments[1]])
            node.replace(_subquery(_IS_CLUSTERED, asked=arguments[0], property=played))


def _subquery(text: str, **parts: exp.Expression) -> exp.Expression:
    """Return a subquery with each @name replaced; its own columns must not catch theirs."""
    for part in parts.values():
        if any(not column.table for column in part.find_all(exp.Column)):
            raise not_played("OBJECT_ID and OBJECTPROPERTY of a column without its table's name")
    subquery: exp.Expression = sqlglot.parse_one(text, read=EmulatedTSQL)
    for parameter in list(subquery.find_all(exp.Parameter)):
        parameter.replace(parts[parameter.name].copy())
    return subquery
