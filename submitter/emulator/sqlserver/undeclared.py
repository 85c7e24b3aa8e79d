"""sp_describe_undeclared_parameters: the type that a parameter of a statement will need.

Drivers ask before they bind NULLs and arrays. A parameter takes the type of the column that
it is compared with or stored in ("sp_describe_undeclared_parameters (Transact-SQL)").
"""

import re
from collections.abc import Iterator

from sqlglot import exp

from submitter.emulator.sqlserver.catalog import Namespace
from submitter.emulator.sqlserver.changes import listed_columns
from submitter.emulator.sqlserver.dialect import Translator
from submitter.emulator.sqlserver.parsing import parse_statement
from submitter.emulator.sqlserver.types import SqlType, nvarchar

_PARAMETER = re.compile(r"@(P\d+)\b", re.IGNORECASE)
_FALLBACK = nvarchar(4000)
_Pair = tuple[exp.Parameter, SqlType]


def parameter_types(text: str, namespace: Namespace) -> dict[str, SqlType]:
    """Return the types of a statement's parameters @P1, @P2, ... in their order.

    Args:
        text: The statement.
        namespace: What its tables are.
    """
    names = sorted({match[1] for match in _PARAMETER.finditer(text)}, key=lambda n: int(n[1:]))
    found: dict[str, SqlType] = {}
    unknown = dict.fromkeys((name.lower() for name in names), SqlType(""))
    translator = Translator(namespace, unknown)
    tree = parse_statement(text)
    for parameter, sql_type in _pairs(tree, translator):
        found.setdefault(parameter.name.lower(), sql_type)
    return {f"@{name}": found.get(name.lower(), _FALLBACK) for name in names}


def _pairs(tree: exp.Expression, translator: Translator) -> Iterator[_Pair]:
    """Yield parameters with the type of what they meet."""
    if isinstance(tree, exp.Insert):
        yield from _inserted(tree, translator)
    for node in tree.find_all(exp.Parameter):
        parent = node.parent
        if isinstance(parent, exp.Cast | exp.TryCast):
            continue
        others = [other for other in parent.iter_expressions() if other is not node]
        for other in others:
            sql_type = translator.inference.type_of(other)
            if sql_type is not None and sql_type.name and isinstance(parent, exp.Condition):
                yield node, sql_type
                break


def _inserted(tree: exp.Insert, translator: Translator) -> Iterator[_Pair]:
    columns = listed_columns(tree, translator.target(tree.this))
    source = tree.expression
    rows: list[list[exp.Expression]] = []
    if isinstance(source, exp.Values):
        rows = [row.expressions for row in source.expressions]
    elif isinstance(source, exp.Select):
        rows = [[item.unalias() for item in source.selects]]
    for row in rows:
        for cell, column in zip(row, columns, strict=False):
            if isinstance(cell, exp.Parameter):
                yield cell, column.type
