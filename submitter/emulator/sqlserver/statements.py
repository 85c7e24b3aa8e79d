"""The statements that are read without a parser: WAITFOR, RAISERROR, THROW, SET and USE."""

import re
from collections.abc import Mapping

from submitter.emulator.sqlserver.errors import SqlError, not_played, syntax_error
from submitter.emulator.sqlserver.outcomes import Notice

_FLAGS = re.IGNORECASE | re.DOTALL
_WAIT = re.compile(r"waitfor\s+delay\s+N?'(\d+):(\d+)(?::([\d.]+))?'", _FLAGS)
_NUMBER = r"(\d+|@\w+)"
_TEXT = r"(N?'(?:[^']|'')*'|@\w+)"
_RAISE = re.compile(rf"raiserror\s*\(\s*{_TEXT}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\).*", _FLAGS)
_THROW = re.compile(rf"throw\s+{_NUMBER}\s*,\s*{_TEXT}\s*,\s*{_NUMBER}", _FLAGS)
_SET_OPTION = re.compile(r"set\s+(\w+)\s*(.*)", _FLAGS)
_SET_VARIABLE = re.compile(r"set\s+@(\w+)\s*([-+*/%&|^]?)=\s*(.*)", _FLAGS)
_LAST_INFORMING_SEVERITY = 10

# Options that change nothing here, or that the emulator always has as drivers set them.
_WITHOUT_EFFECT = frozenset(
    {
        "ansi_defaults", "ansi_null_dflt_on", "ansi_nulls", "ansi_padding", "ansi_warnings",
        "arithabort", "concat_null_yields_null", "cursor_close_on_commit", "datefirst",
        "dateformat", "deadlock_priority", "language", "lock_timeout", "numeric_roundabort",
        "query_governor_cost_limit", "quoted_identifier", "statistics", "textsize",
    }
)  # fmt: skip
_PLAYED = frozenset({"nocount", "implicit_transactions", "transaction"})
# Numbers as sys.dm_exec_sessions shows them.
_ISOLATION_LEVELS = {
    "read uncommitted": 1,
    "read committed": 2,
    "repeatable read": 3,
    "serializable": 4,
    "snapshot": 5,
}


def wait_seconds(text: str) -> float:
    """Return how long WAITFOR DELAY waits."""
    match = _WAIT.fullmatch(text)
    if match is None:
        raise not_played("WAITFOR other than DELAY with a literal")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3] or 0)


def raised(text: str, variables: Mapping[str, str]) -> SqlError | Notice:
    """Return what RAISERROR raises: up to severity 10 it only informs.

    Args:
        text: The statement; its arguments are literals or variables.
        variables: The variables' values as text, by name in lower case.
    """
    match = _RAISE.fullmatch(text)
    if match is None:
        raise not_played("RAISERROR with anything but literals and variables")
    message, severity, state = (_operand(written, variables) for written in match.groups())
    if "%" in message:
        raise not_played("RAISERROR with % in its text")
    return _raised(message, int(severity), int(state))


def _raised(message: str, severity: int, state: int) -> SqlError | Notice:
    if severity > _LAST_INFORMING_SEVERITY:
        return SqlError(50000, message, severity=severity, state=state)
    return Notice(50000, message, severity=severity, state=state)


def thrown(text: str, variables: Mapping[str, str]) -> SqlError:
    """Return what THROW throws; the arguments are those of `raised`."""
    match = _THROW.fullmatch(text)
    if match is None:
        raise not_played("THROW with anything but literals and variables")
    number, message, state = (_operand(written, variables) for written in match.groups())
    return SqlError(int(number), message, state=int(state))


def assignment(text: str) -> tuple[str, str] | None:
    """Return the name and the expression of SET @name = expression, None for an option."""
    match = _SET_VARIABLE.fullmatch(text)
    if match is None:
        return None
    name, operator, expression = match.groups()
    return name, f"@{name} {operator} ({expression})" if operator else expression


def option(text: str) -> tuple[str, str]:
    """Return the name and the value of SET name value.

    Raises:
        SqlError: 40000 for an option whose effect is not played.
    """
    match = _SET_OPTION.fullmatch(text)
    if match is None:
        raise syntax_error(text[:40])
    name, value = match[1].lower(), match[2].strip().lower()
    harmless = name in _WITHOUT_EFFECT or (name in {"xact_abort", "fmtonly"} and value == "off")
    if name not in _PLAYED and not harmless:
        raise not_played(f"SET {name.upper()} {value.upper()}".strip())
    return name, value


def isolation_level(value: str) -> int:
    """Return the number of the level in SET TRANSACTION ISOLATION LEVEL.

    The engine keeps versions of rows, so whatever the level, a query sees one moment and waits for
    nobody.
    """
    words = " ".join(value.split()).removeprefix("isolation level ")
    if words not in _ISOLATION_LEVELS:
        raise syntax_error(value[:40])
    return _ISOLATION_LEVELS[words]


def database_name(text: str) -> str:
    """Return the name in USE name."""
    words = text.split(None, 1)
    if len(words) == 1:
        raise syntax_error("USE")
    return words[1].strip().strip('[]"')


def is_plain_rollback(text: str) -> bool:
    """Whether ROLLBACK names no transaction and no savepoint."""
    words = text.lower().split()
    return len(words) == 1 or words[1:] in (["tran"], ["transaction"], ["work"])


def _operand(written: str, variables: Mapping[str, str]) -> str:
    """Return the value of a number, a quoted string or a variable."""
    if written.startswith("@"):
        name = written[1:].lower()
        if name not in variables:
            raise SqlError(137, f'Must declare the scalar variable "{written}".', severity=15)
        return variables[name]
    if written.endswith("'"):
        return written[written.index("'") + 1 : -1].replace("''", "'")
    return written
