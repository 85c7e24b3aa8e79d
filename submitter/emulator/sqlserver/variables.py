"""T-SQL variables and parameters, with their declared types."""

import dataclasses
from typing import Any

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.types import SqlType


@dataclasses.dataclass
class Variable:
    """A T-SQL variable or parameter; its value stays out of the repr, and so of any log."""

    type: SqlType
    value: Any = dataclasses.field(default=None, repr=False)


Variables = dict[str, Variable]  # by name in lower case, without the @


def types_of(variables: Variables) -> dict[str, SqlType]:
    """Return the declared types by name."""
    return {name: variable.type for name, variable in variables.items()}


def find_variable(name: str, variables: Variables) -> Variable:
    """Return a variable.

    Raises:
        SqlError: 137 if it was not declared.
    """
    found = variables.get(name.lower())
    if found is None:
        raise SqlError(137, f'Must declare the scalar variable "@{name}".', severity=15)
    return found
