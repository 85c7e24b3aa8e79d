"""Variables → secrets: the one place that ties identity, workspace and vault together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from remote_entry.access_token import AccessToken
from remote_entry.deadline import Deadline
from remote_entry.errors import SettingsError
from remote_entry.secret import Secret
from remote_entry.settings import Settings
from remote_entry.settings.references import PREFIX, WorkspaceReference
from remote_entry.supervision.handover import Bundle

if TYPE_CHECKING:
    from remote_entry.azure.vault import SecretCache

KEYS_TO_THE_VAULT = frozenset({"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD"})


@dataclass(frozen=True)
class Resolved:
    """What a process knows after the vault was read.

    Attributes:
        settings: The settings, values from the workspace included.
        bundle: The secrets, and the variables that came from the workspace.
        sql_token: Returns an access token for the SQL Server; None if the login has a password.
        storage_token: Returns a new one for blob storage; None unless STORAGE_AUTH asks for it.
    """

    settings: Settings
    bundle: Bundle
    sql_token: Callable[[], str] | None = None
    storage_token: Callable[[], AccessToken] | None = None

    def sensitive_values(self) -> frozenset[str]:
        """Return every value that came from a vault: none may appear in any output."""
        values = {secret.value for secret in (*self.bundle.secrets, *self.bundle.workspace)}
        values.update(item.name for item in self.settings.secrets if item.name_held_by)
        identity = self.settings.identity
        values |= {identity.client_secret.text, identity.certificate_password.text}
        return frozenset(values) - {""}


def resolve(
    environ: Mapping[str, str],
    *,
    warn: Callable[[str], object],
    cache: "SecretCache | None" = None,
) -> Resolved:
    """Read everything that the variables name, within their deadline.

    Without secrets to read no SDK is imported and nobody is asked.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.
        warn: Receives each warning once, those about values from the workspace too.
        cache: Secrets that this process has read already; receives what is read now.

    Raises:
        RemoteEntryError: A subclass says which step failed, where it looked and what to do.
    """
    settings = Settings.from_environ(environ)
    for warning in settings.warnings:
        warn(warning)
    if not settings.needs_identity and not settings.from_workspace:
        return Resolved(settings, Bundle())
    try:
        from remote_entry.azure.identity import (
            SQL_SCOPE,
            STORAGE_SCOPE,
            fresh_token_source,
            open_credential,
            sign_in,
            token_source,
            vault_scope,
        )
        from remote_entry.azure.vault import open_vault, read_secrets
        from remote_entry.azure.workspace import read_from_workspace
    except ImportError as error:
        raise package_missing(error) from None

    deadline = Deadline(settings.deadline)
    values = read_from_workspace(settings.from_workspace, deadline)
    if values:
        settings = _complete(settings, environ, values, warn)
    workspace = handed_over(settings.from_workspace, values)
    if not settings.needs_identity:
        return Resolved(settings, Bundle(workspace=workspace))
    identity, sql_token, storage_token = settings.identity, None, None
    credential = open_credential(identity, deadline)
    if not settings.sql.uses_password:
        sql_token = token_source(credential, identity, SQL_SCOPE)
    if settings.uses_storage:
        storage_token = fresh_token_source(identity, STORAGE_SCOPE, settings.deadline)
    if not settings.secrets:
        sign_in(credential, identity, SQL_SCOPE if sql_token else STORAGE_SCOPE, deadline)
        return Resolved(settings, Bundle(workspace=workspace), sql_token, storage_token)
    sign_in(credential, identity, vault_scope(settings.vault_url), deadline)
    client = open_vault(settings.vault_url, credential, deadline)
    secrets = read_secrets(
        settings.secrets, client, vault_url=settings.vault_url, deadline=deadline, cache=cache
    )
    for warning in expiry_warnings(secrets):
        warn(warning)
    return Resolved(settings, Bundle(secrets, workspace), sql_token, storage_token)


def package_missing(
    error: ImportError,
    *,
    purpose: str = "read secrets",
    packages: str = "azure-identity and azure-keyvault-secrets",
) -> SettingsError:
    """Return the error for an image that lacks what something is done with."""
    return SettingsError(
        f"The Python package {error.name} is not installed here; looked for it to {purpose}",
        kind="settings.package-missing",
        hint=f"add {packages} to the environment's conda.yml",
    )


def expiry_warnings(secrets: Iterable[Secret]) -> list[str]:
    """Return one line for each secret that has expired or soon will."""
    now = datetime.now(timezone.utc)
    return [warning for secret in secrets if (warning := secret.expiry_warning(now))]


def _complete(
    settings: Settings,
    environ: Mapping[str, str],
    values: Mapping[str, str],
    warn: Callable[[str], object],
) -> Settings:
    """Return the settings with the workspace's values in them; warn of what they add."""
    complete = Settings.from_environ(environ, values)
    for warning in complete.warnings:
        if warning not in settings.warnings:
            warn(warning)
    return complete


def handed_over(names: Mapping[str, str], values: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the variables that are the command's own.

    The keys to Key Vault are not, nor is a name or a version of a secret in it: that secret is
    handed over itself.
    """
    return tuple(
        Secret(WorkspaceReference(variable, names[variable]), value)
        for variable, value in values.items()
        if variable not in KEYS_TO_THE_VAULT and not variable.startswith(PREFIX)
    )
