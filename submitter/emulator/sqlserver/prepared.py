"""Prepared statements: sp_executesql, sp_prepare, sp_execute and sp_prepexec.

Source: "System stored procedures (Transact-SQL)".
"""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from submitter.emulator.sqlserver.calls import Call
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.types import (
    SqlType,
    parse_type,
)
from submitter.emulator.sqlserver.values import Parameter

_DECLARATION = re.compile(r"@(\w+)\s+(?:as\s+)?([^,(@]+(?:\([^)]*\))?)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a call of sp_executesql and its family comes to.

    Attributes:
        text: The batch to run, None for none.
        parameters: Its parameters: name to type and value.
        outputs: Output parameters to return: place, name, value.
        complete: Whether nothing else is to be done.
    """

    text: str | None = None
    parameters: Mapping[str, tuple[SqlType, Any]] = dataclasses.field(
        default_factory=dict, repr=False
    )
    outputs: list[tuple[int, str, int]] = dataclasses.field(default_factory=list)
    complete: bool = False


class PreparedStatements:
    """The statements that a session has prepared, by handle."""

    def __init__(self) -> None:
        self._statements: dict[int, tuple[str, str]] = {}
        self._next = 1

    def clear(self) -> None:
        """Forget all of them."""
        self._statements.clear()

    def resolve(self, call: Call) -> Prepared:
        """Return what is to run.

        Raises:
            SqlError: 8179 for an unknown handle.
        """
        values = [parameter.value for parameter in call.parameters]
        name = call.name
        if name == "sp_executesql":
            declarations = values[1] if len(values) > 1 else ""
            return Prepared(values[0], _bound(declarations, call.parameters[2:]))
        if name in {"sp_prepexec", "sp_prepare"}:
            handle = self._keep(values[1] or "", values[2])
            outputs = [(0, call.parameters[0].name, handle)]
            if name == "sp_prepare":
                return Prepared(outputs=outputs, complete=True)
            return Prepared(values[2], _bound(values[1], call.parameters[3:]), outputs)
        if name == "sp_execute":
            if values[0] not in self._statements:
                raise SqlError(8179, f"Could not find prepared statement with handle {values[0]}.")
            declarations, text = self._statements[values[0]]
            return Prepared(text, _bound(declarations, call.parameters[1:]))
        if name == "sp_unprepare":
            self._statements.pop(values[0], None)
            return Prepared(complete=True)
        return Prepared()

    def _keep(self, declarations: str, text: str) -> int:
        handle = self._next
        self._next += 1
        self._statements[handle] = (declarations, text)
        return handle


@functools.lru_cache(maxsize=100)  # an array of parameters has them once a row
def _declared(declarations: str) -> Sequence[tuple[str, SqlType]]:
    return [(match[1], parse_type(match[2])) for match in _DECLARATION.finditer(declarations)]


def _bound(
    declarations: str | None, parameters: Sequence[Parameter]
) -> dict[str, tuple[SqlType, Any]]:
    """Give each parameter the type that its declaration says."""
    declared = _declared(declarations or "")
    by_name = {name.lower(): sql_type for name, sql_type in declared}
    bound = {}
    for index, parameter in enumerate(parameters):
        if parameter.is_output:
            raise not_played("output parameters of a statement")
        name = parameter.name.lstrip("@") or (declared[index][0] if index < len(declared) else "")
        bound[name] = (by_name.get(name.lower(), parameter.type), parameter.value)
    for name, _ in declared:
        if name.lower() not in {known.lower() for known in bound}:
            raise SqlError(8178, f"The parameterized query expects the parameter '@{name}'.")
    return bound
