"""What can go wrong between a run's variables and its data, as one tree.

RemoteEntryError
├── SettingsError    3    a variable is missing, malformed or contradicts another
├── IdentityError    4    no token: wrong or expired secret, unknown tenant, authority out of reach
├── VaultError       5    Key Vault refused, did not answer or does not have a secret
├── SqlError         6    no driver, no connection, login refused, query failed
├── ExtractError     7    what was landed before, or the data itself, forbids to go on
│   └── SpecError    2    the extract's file is wrong
└── CommandError   126/127  the command could not be started

The number is the exit code of ``python -m remote_entry``. Each error says what happened and where
it was looked for (``message``), and what to do next (``hint``); ``kind`` is a stable word for
programs. None of the three ever holds a secret value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


class RemoteEntryError(Exception):
    """The root of everything this package raises on purpose.

    Args:
        message: What happened and where it was looked for.
        kind: A stable word for programs, such as ``vault.firewall``.
        hint: The next step for the person who reads it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, kind: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.hint = hint

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        return f"{self.message}\n  Next: {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled by its positional arguments alone: other processes want all.
        return _revived, (type(self), self.args, vars(self))


class SettingsError(RemoteEntryError):
    """Variables are missing, malformed or contradict each other."""

    exit_code = 3


class IdentityError(RemoteEntryError):
    """The service principal got no token."""

    exit_code = 4


@dataclass(frozen=True)
class SecretFailure:
    """Why one secret could not be read.

    Attributes:
        secret: The reference as text, such as ``AZURE_SECRET_2 → sql-password (latest)``.
        kind: A stable word for programs, such as ``vault.missing``.
        message: What the vault answered.
        hint: What to do next.
    """

    secret: str
    kind: str
    message: str
    hint: str


class VaultError(RemoteEntryError):
    """Key Vault refused, did not answer or does not have a secret.

    Attributes:
        failures: One entry for each secret that failed; empty if the vault as a whole is the cause.
    """

    exit_code = 5

    def __init__(
        self, message: str, *, kind: str, hint: str = "", failures: tuple[SecretFailure, ...] = ()
    ) -> None:
        super().__init__(message, kind=kind, hint=hint)
        self.failures = failures


class SqlError(RemoteEntryError):
    """The SQL Server could not be reached, refused the login or failed a statement.

    Attributes:
        number: SQL Server's error number, or None if the driver failed before the server spoke.
        transient: Whether Microsoft documents the condition as one that passes.
    """

    exit_code = 6

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        hint: str = "",
        number: int | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message, kind=kind, hint=hint)
        self.number = number
        self.transient = transient


class ExtractError(RemoteEntryError):
    """An extract stopped before it would have landed something wrong."""

    exit_code = 7


class SpecError(ExtractError):
    """What an extract's file says is wrong."""

    exit_code = 2


def _revived(
    kind: type[RemoteEntryError], args: tuple[Any, ...], state: Mapping[str, Any]
) -> RemoteEntryError:
    """Return an error that another process raised."""
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


NOT_EXECUTABLE = 126
NOT_FOUND = 127


class CommandError(RemoteEntryError):
    """The command could not be started; the exit code is the one a shell would give.

    Attributes:
        exit_code: 127 if there is no such program, 126 if it may not be executed.
    """

    def __init__(self, message: str, *, kind: str, hint: str, exit_code: int) -> None:
        super().__init__(message, kind=kind, hint=hint)
        self.exit_code = exit_code  # type: ignore[misc]  # the one error with two codes
