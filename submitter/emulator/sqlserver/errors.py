"""Errors as SQL Server numbers them."""

_UNCAUGHT = frozenset(
    {
        102, 105, 137, 195, 207, 208,  # compile errors, by "TRY...CATCH (Transact-SQL)"
        3617,  # a cancel
        40000,  # the emulator's own refusal, which no script may hide
    }
)  # fmt: skip


class SqlError(Exception):
    """An error that the client receives as an ERROR token.

    Args:
        number: SQL Server's own number; drivers hand it out as the native error.
        message: What the client shows.
        severity: SQL Server's class; 20 and above end the connection.
        state: SQL Server's state, free for the raiser.
    """

    def __init__(self, number: int, message: str, *, severity: int = 16, state: int = 1) -> None:
        super().__init__(message)
        self.number = number
        self.message = message
        self.severity = severity
        self.state = state

    @property
    def ends_connection(self) -> bool:
        """Whether SQL Server closes the connection after this error."""
        return self.severity >= 20  # noqa: PLR2004 - "Database engine error severities"

    @property
    def can_be_caught(self) -> bool:
        """Whether TRY ... CATCH around the statement sees this error."""
        return not self.ends_connection and self.number not in _UNCAUGHT


class ConnectionDroppedError(Exception):
    """A fault rule asks for the connection to be reset here."""


def not_played(what: str) -> SqlError:
    """Return the refusal of something that SQL Server has and the emulator has not."""
    return SqlError(40000, f"the emulator does not play {what}")


def syntax_error(near: str) -> SqlError:
    """Return error 102."""
    return SqlError(102, f"Incorrect syntax near '{near}'.", severity=15)


def invalid_object(name: str) -> SqlError:
    """Return error 208."""
    return SqlError(208, f"Invalid object name '{name}'.")


def unknown_procedure(name: str) -> SqlError:
    """Return error 2812."""
    return SqlError(2812, f"Could not find stored procedure '{name}'.")


def unknown_database(name: str) -> SqlError:
    """Return error 911."""
    return SqlError(
        911,
        f"Database '{name}' does not exist. Make sure that the name is entered correctly.",
    )
