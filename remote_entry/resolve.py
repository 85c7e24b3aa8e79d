"""Settings → secrets: the one place that ties identity, workspace and vault together."""

from collections.abc import Mapping
from dataclasses import dataclass

from remote_entry.deadline import Deadline
from remote_entry.errors import SettingsError
from remote_entry.handover import Bundle
from remote_entry.settings import CREDENTIAL_VARIABLES, Settings, with_workspace_values


@dataclass(frozen=True)
class Resolved:
    """What a process knows after the vault was read.

    Attributes:
        settings: The settings, values from the workspace included.
        bundle: The secrets, and the variables that came from the workspace.
    """

    settings: Settings
    bundle: Bundle

    def sensitive_values(self) -> frozenset[str]:
        """Return every value that must not appear in any output."""
        values = {secret.value for secret in self.bundle.secrets}
        values.update(self.bundle.variables.values())
        values.add(self.settings.client_secret)
        return frozenset(values)


def resolve(settings: Settings, environ: Mapping[str, str]) -> Resolved:
    """Read everything that the settings name, within their deadline.

    Without secrets to read no SDK is imported and nobody is asked.

    Args:
        settings: What the variables say.
        environ: The variables themselves; values from the workspace are put among them.

    Raises:
        RemoteEntryError: A subclass says which step failed, where it looked and what to do.
    """
    if not settings.secrets and not settings.from_workspace:
        return Resolved(settings, Bundle())
    try:
        from remote_entry.identity import open_credential, read_from_workspace
        from remote_entry.vault import open_vault, read_secrets
    except ImportError as error:
        raise SettingsError(
            f"The Python package {error.name} is not installed here; looked for it to read secrets",
            kind="settings.package-missing",
            hint="add azure-identity and azure-keyvault-secrets to the environment's conda.yml",
        ) from None

    deadline = Deadline(settings.deadline)
    values = read_from_workspace(settings.from_workspace, deadline)
    if values:
        settings = Settings.from_environ(with_workspace_values(environ, values))
    handed_over = {
        variable: value
        for variable, value in values.items()
        if variable not in CREDENTIAL_VARIABLES
    }
    if not settings.secrets:
        return Resolved(settings, Bundle(variables=handed_over))
    credential = open_credential(settings, deadline)
    client = open_vault(settings.vault_url, credential, deadline)
    secrets = read_secrets(
        settings.secrets, client, vault_url=settings.vault_url, deadline=deadline
    )
    return Resolved(settings, Bundle(secrets, handed_over))
