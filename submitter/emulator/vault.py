"""A key vault's secrets: names, versions, soft delete. What `keyvault.py` serves over HTTP."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Punctuation that breaks connection strings, URLs, YAML, shells and format strings put together
# without quoting; a generated secret holds all of it.
HOSTILE_PUNCTUATION = ";{}@%'"
RETENTION_SECONDS = 90 * 86_400


class SecretNotFound(LookupError):  # noqa: N818 - the service's own word
    """There is no such secret or version."""


class SecretIsDeleted(ValueError):  # noqa: N818 - the service's own word
    """The name belongs to a deleted secret that can still be recovered."""


@dataclass(frozen=True)
class SecretVersion:
    """One version of a secret; the value stays out of its repr."""

    name: str
    version: str
    value: str = field(repr=False)
    created: int
    updated: int
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeletedSecret:
    """A deleted secret with all its versions, until it is purged or recovered."""

    versions: tuple[SecretVersion, ...]
    deleted: int

    @property
    def scheduled_purge(self) -> int:
        """When the service would drop it for good, in seconds since 1970."""
        return self.deleted + RETENTION_SECONDS


class Vault:
    """The secrets of one vault; names are compared without regard to case, as Azure does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._secrets: dict[str, tuple[SecretVersion, ...]] = {}
        self._deleted: dict[str, DeletedSecret] = {}
        self._lock = threading.RLock()

    def set(
        self,
        name: str,
        value: str,
        *,
        version: str | None = None,
        enabled: bool = True,
        expires: int | None = None,
        not_before: int | None = None,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> SecretVersion:
        """Add a version to a secret.

        Raises:
            SecretIsDeleted: A deleted secret holds the name.
        """
        moment = int(time.time())
        added = SecretVersion(
            name=name,
            version=version or secrets.token_hex(16),
            value=value,
            created=moment,
            updated=moment,
            enabled=enabled,
            expires=expires,
            not_before=not_before,
            content_type=content_type,
            tags=dict(tags or {}),
        )
        with self._lock:
            if name.lower() in self._deleted:
                raise SecretIsDeleted(name)
            self._secrets[name.lower()] = (*self._secrets.get(name.lower(), ()), added)
        return added

    def secret(self, name: str, version: str | None = None) -> SecretVersion:
        """Return a version of a secret, the latest by default.

        Raises:
            SecretNotFound: There is no such secret or version.
        """
        for candidate in reversed(self.versions(name)):
            if version in (None, candidate.version):
                return candidate
        raise SecretNotFound(f"{name}/{version}")

    def versions(self, name: str) -> tuple[SecretVersion, ...]:
        """Return all versions of a secret, the latest last.

        Raises:
            SecretNotFound: There is no such secret.
        """
        with self._lock:
            versions = self._secrets.get(name.lower())
        if versions is None:
            raise SecretNotFound(name)
        return versions

    def current(self) -> list[SecretVersion]:
        """Return the latest version of every secret, by name."""
        with self._lock:
            return [self._secrets[key][-1] for key in sorted(self._secrets)]

    def change(self, changed: SecretVersion) -> SecretVersion:
        """Put a version with other attributes in the place of the one it was made from."""
        changed = replace(changed, updated=int(time.time()))
        with self._lock:
            self._secrets[changed.name.lower()] = tuple(
                changed if version.version == changed.version else version
                for version in self.versions(changed.name)
            )
        return changed

    def delete(self, name: str) -> DeletedSecret:
        """Delete a secret; its name stays taken until it is purged.

        Raises:
            SecretNotFound: There is no such secret.
        """
        with self._lock:
            deleted = DeletedSecret(self.versions(name), int(time.time()))
            del self._secrets[name.lower()]
            self._deleted[name.lower()] = deleted
        return deleted

    def deleted(self, name: str) -> DeletedSecret:
        """Return a deleted secret.

        Raises:
            SecretNotFound: There is no such deleted secret.
        """
        with self._lock:
            if name.lower() not in self._deleted:
                raise SecretNotFound(name)
            return self._deleted[name.lower()]

    def all_deleted(self) -> list[DeletedSecret]:
        """Return every deleted secret, by name."""
        with self._lock:
            return [self._deleted[key] for key in sorted(self._deleted)]

    def recover(self, name: str) -> SecretVersion:
        """Bring a deleted secret back.

        Raises:
            SecretNotFound: There is no such deleted secret.
        """
        with self._lock:
            recovered = self.deleted(name)
            del self._deleted[name.lower()]
            self._secrets[name.lower()] = recovered.versions
        return recovered.versions[-1]

    def purge(self, name: str) -> None:
        """Drop a deleted secret for good.

        Raises:
            SecretNotFound: There is no such deleted secret.
        """
        with self._lock:
            self.deleted(name)
            del self._deleted[name.lower()]


def generate_secret() -> str:
    """Make a random value that also holds everything naive quoting gets wrong."""
    return f"{secrets.token_urlsafe(12)}{HOSTILE_PUNCTUATION}{secrets.token_urlsafe(12)}"
