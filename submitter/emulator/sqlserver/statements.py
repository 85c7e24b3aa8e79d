"""The statements that are read without a parser: WAITFOR, RAISERROR, THROW, SET and USE."""

import re

from submitter.emulator.sqlserver.errors import SqlError, not_played, syntax_error
from submitter.emulator.sqlserver.outcomes import Notice

_STRING = r"N?'((?:[^']|'')*)'"
_FLAGS = re.IGNORECASE | re.DOTALL
_WAIT = re.compile(r"waitfor\s+delay\s+N?'(\d+):(\d+)(?::([\d.]+))?'", _FLAGS)
_RAISE = re.compile(rf"raiserror\s*\(\s*{_STRING}\s*,\s*(\d+)\s*,\s*(\d+)\s*\).*", _FLAGS)
_THROW = re.compile(rf"throw\s+(\d+)\s*,\s*{_STRING}\s*,\s*(\d+)", _FLAGS)
_SET_OPTION = re.compile(r"set\s+(\w+)\s*(.*)", _FLAGS)
_SET_VARIABLE = re.compile(r"set\s+@(\w+)\s*=\s*(.*)", _FLAGS)
_LAST_INFORMING_SEVERITY = 10

# Options that change nothing here, or that the emulator always has as drivers set them.
_WITHOUT_EFFECT = frozenset(
    {
        "ansi_defaults", "ansi_null_dflt_on", "ansi_nulls", "ansi_padding", "ansi_warnings",
        "arithabort", "concat_null_yields_null", "cursor_close_on_commit", "datefirst",
        "dateformat", "deadlock_priority", "language", "lock_timeout", "numeric_roundabort",
        "query_governor_cost_limit", "quoted_identifier", "statistics", "textsize", "transaction",
    }
)  # fmt: skip
_PLAYED = frozenset({"nocount", "implicit_transactions"})


def wait_seconds(text: str) -> float:
    """Return how long WAITFOR DELAY waits."""
    match = _WAIT.fullmatch(text)
    if match is None:
        raise not_played("WAITFOR other than DELAY with a literal")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3] or 0)


def raised(text: str) -> SqlError | Notice:
    """Return what RAISERROR raises: up to severity 10 it only informs."""
    match = _RAISE.fullmatch(text)
    if match is None or "%" in match[1]:
        raise not_played("RAISERROR with anything but literals, or with % in its text")
    message, severity, state = _unquoted(match[1]), int(match[2]), int(match[3])
    if severity > _LAST_INFORMING_SEVERITY:
        return SqlError(50000, message, severity=severity, state=state)
    return Notice(50000, message, severity=severity, state=state)


def thrown(text: str) -> SqlError:
    """Return what THROW throws."""
    match = _THROW.fullmatch(text)
    if match is None:
        raise not_played("THROW with anything but literals")
    return SqlError(int(match[1]), _unquoted(match[2]), state=int(match[3]))


def assignment(text: str) -> tuple[str, str] | None:
    """Return the name and the expression of SET @name = expression, None for an option."""
    match = _SET_VARIABLE.fullmatch(text)
    return (match[1], match[2]) if match is not None else None


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


def _unquoted(text: str) -> str:
    return text.replace("''", "'")
