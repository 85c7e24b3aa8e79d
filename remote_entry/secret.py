"""A secret's value with where it came from; only ``.value`` gives the value away."""

from datetime import datetime, timedelta
from typing import NoReturn

from remote_entry.settings.references import SecretReference, WorkspaceReference, describe_version

EXPIRES_SOON = timedelta(days=14)


class Secret:
    """What Key Vault, or the workspace's own vault, holds for one reference.

    ``repr`` and ``str`` show the reference. A secret refuses to be pickled or copied into ``vars``,
    because both end in files and tracebacks.

    Args:
        reference: What was asked for.
        value: The secret itself.
        version: The version that was read, also if the reference asked for the latest.
        expires_on: When the vault says that it expires, in UTC, or None.
    """

    __slots__ = ("_value", "expires_on", "reference", "version")

    def __init__(
        self,
        reference: SecretReference | WorkspaceReference,
        value: str,
        *,
        version: str | None = None,
        expires_on: datetime | None = None,
    ) -> None:
        self.reference = reference
        self.version = version
        self.expires_on = expires_on
        self._value = value

    @property
    def value(self) -> str:
        """The secret itself: never log it, never put it on a command line."""
        return self._value

    def __repr__(self) -> str:
        return f"<Secret {self.describe()}>"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled; pass its label and call get_secret() there")

    def with_reference(self, reference: SecretReference) -> "Secret":
        """Return the same secret as the answer to another reference."""
        return Secret(reference, self._value, version=self.version, expires_on=self.expires_on)

    def describe(self) -> str:
        """Return one line for a log: variable, name, version, expiry; no value."""
        if isinstance(self.reference, WorkspaceReference):
            return str(self.reference)
        details = describe_version(self.version)
        if self.expires_on is not None:
            details += f", expires {self.expires_on:%Y-%m-%d}"
        return self.reference.describe(details)

    def expiry_warning(self, now: datetime) -> str | None:
        """Return what to do about a secret that has expired or soon will, or None.

        Key Vault hands out an expired secret all the same; the database may refuse it.

        Args:
            now: The time, with its zone.
        """
        if self.expires_on is None or self.expires_on - now > EXPIRES_SOON:
            return None
        days = (self.expires_on - now).days
        when = f"expires in {days} days" if self.expires_on > now else "has expired"
        return f"{self.reference} {when} ({self.expires_on:%Y-%m-%d}): rotate it in the vault"
