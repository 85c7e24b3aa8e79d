"""Procedure calls, as an RPC message or as EXECUTE in a batch.

Source: MS-TDS 2.2.6.6 (RPC request).
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.types import (
    INT,
    nvarchar,
)
from submitter.emulator.sqlserver.values import Parameter, read_parameter
from submitter.emulator.sqlserver.variables import Variables
from submitter.emulator.sqlserver.wire import Reader

_BY_NUMBER = {
    1: "sp_cursor", 2: "sp_cursoropen", 3: "sp_cursorprepare", 4: "sp_cursorexecute",
    5: "sp_cursorprepexec", 6: "sp_cursorunprepare", 7: "sp_cursorfetch", 8: "sp_cursoroption",
    9: "sp_cursorclose", 10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute",
    13: "sp_prepexec", 14: "sp_prepexecrpc", 15: "sp_unprepare",
}  # fmt: skip
_NAMED_BY_NUMBER = 0xFFFF
_CALL_SEPARATORS = frozenset({0x80, 0xFF, 0xFE})
_EXECUTE = re.compile(r"exec(?:ute)?\s+([\w.\[\]]+)\s*(.*)", re.IGNORECASE | re.DOTALL)
_ARGUMENT_TEXT = re.compile(r"(?:'(?:[^']|'')*'|[^,'])+")
_ARGUMENT = re.compile(
    r"(?:(?P<name>@\w+)\s*=\s*)?"
    r"(?:N?'(?P<string>(?:[^']|'')*)'|(?P<number>-?\d+)|@(?P<variable>\w+)|null)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Call:
    """One procedure call."""

    name: str
    parameters: Sequence[Parameter]

    def value(self, index: int, name: str = "") -> Any:
        """Return a parameter by its name, else by its place; None if it is missing."""
        for parameter in self.parameters:
            if name and parameter.name.lower() == name:
                return parameter.value
        if index < len(self.parameters) and not self.parameters[index].name:
            return self.parameters[index].value
        return None


def read_calls(reader: Reader) -> list[Call]:
    """Read the calls of an RPC message; drivers send the rows of an array as one call each."""
    calls = []
    while not reader.at_end:
        calls.append(read_call(reader))
    return calls


def read_call(reader: Reader) -> Call:
    """Read one call of an RPC message."""
    length = reader.unsigned(2)
    if length == _NAMED_BY_NUMBER:
        name = _BY_NUMBER.get(reader.unsigned(2), "?")
    else:
        name = reader.text(length)
    reader.unsigned(2)  # option flags
    parameters = []
    while not reader.at_end and reader.peek() not in _CALL_SEPARATORS:
        parameters.append(read_parameter(reader))
    if not reader.at_end:
        reader.unsigned(1)
    return Call(_plain_name(name), parameters)


def parse_execute(text: str, variables: Variables) -> Call:
    """Read EXEC name argument, @name = argument.

    Args:
        text: The statement; arguments are literals or variables.
        variables: The values of variables.

    Raises:
        SqlError: 137 for an unknown variable, 40000 for any other form.
    """
    match = _EXECUTE.fullmatch(text.strip())
    if match is None:
        raise not_played("this form of EXECUTE")
    written = [part[0].strip() for part in _ARGUMENT_TEXT.finditer(match[2])]
    return Call(_plain_name(match[1]), [_argument(part, variables) for part in written if part])


def _argument(text: str, variables: Variables) -> Parameter:
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        raise not_played(f"the argument {text[:40]} of EXECUTE")
    name = match["name"] or ""
    if match["variable"]:
        variable = variables.get(match["variable"].lower())
        if variable is None:
            raise SqlError(137, f'Must declare the scalar variable "@{match["variable"]}".')
        return Parameter(name, is_output=False, type=variable.type, value=variable.value)
    if match["number"]:
        return Parameter(name, is_output=False, type=INT, value=int(match["number"]))
    string = match["string"]
    value = None if string is None else string.replace("''", "'")
    return Parameter(name, is_output=False, type=nvarchar(4000), value=value)


def _plain_name(name: str) -> str:
    return name.replace("[", "").replace("]", "").split(".")[-1].split(";")[0].lower()
