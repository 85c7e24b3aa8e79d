"""The first half of the way: workspace, identity, vault, and each secret."""

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential

from remote_entry.azure.identity import (
    SQL_SCOPE,
    open_credential,
    sign_in,
    token_source,
    vault_scope,
)
from remote_entry.azure.vault import open_vault, try_secrets
from remote_entry.azure.workspace import read_from_workspace
from remote_entry.check.hops import Step, Walk
from remote_entry.deadline import Deadline
from remote_entry.errors import SecretFailure, VaultError
from remote_entry.resolve import expiry_warnings, handed_over
from remote_entry.secret import Secret
from remote_entry.settings import Settings
from remote_entry.settings.references import SecretReference


class WayToSecrets:
    """Goes from variables to secrets.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.
        walk: Reports the hops.

    Attributes:
        settings: What the variables say; those from the workspace as far as they were read.
        sql_token: Returns an access token for the SQL Server, if the login has no password.
    """

    def __init__(self, environ: Mapping[str, str], walk: Walk) -> None:
        self._environ = environ
        self._walk = walk
        self._from_workspace: dict[str, str] = {}
        self._secrets: list[Secret] = []
        self._outcomes: dict[SecretReference, Secret | SecretFailure] = {}
        self.settings = Settings()
        self.sql_token: Callable[[], str] | None = None

    def read_variables(self) -> str:
        """Read the settings; say what they ask for."""
        self.settings = Settings.from_environ(self._environ)
        self._deadline = Deadline(self.settings.deadline)
        self._hide()
        self._walk.warn("variables", self.settings.warnings)
        return (
            f"{len(self.settings.secrets)} secrets of Key Vault, "
            f"{len(self.settings.from_workspace)} variables from the workspace"
        )

    def go(self) -> bool:
        """Try each hop; return whether every secret is there."""
        steps: list[Step] = []
        if self.settings.from_workspace:
            steps.append(("workspace", self._read_workspace))
        if self.settings.needs_identity:
            steps.append(("identity", self._sign_in))
        if self.settings.secrets:
            steps.append(("vault", self._ask_vault))
        reached = self._walk.chain(steps)
        names = [f"secret {reference.label}" for reference in self.settings.secrets]
        if not reached:
            self._walk.skip(names, because="what failed before")
            return False
        went = [
            self._walk.hop(name, partial(self._read_secret, reference))
            for name, reference in zip(names, self.settings.secrets, strict=True)
        ]
        self._walk.warn("secrets", expiry_warnings(self._secrets))
        return all(went)

    def values(self) -> dict[str, str]:
        """Return label → value of what was found."""
        workspace = handed_over(self.settings.from_workspace, self._from_workspace)
        return {secret.reference.label: secret.value for secret in (*self._secrets, *workspace)}

    def _read_workspace(self) -> str:
        """Read what the workspace's vault holds."""
        names = self.settings.from_workspace
        self._from_workspace = read_from_workspace(names, self._deadline)
        self._hide()
        self.settings = Settings.from_environ(self._environ, self._from_workspace)
        return ", ".join(f"{variable} ← {name}" for variable, name in names.items())

    def _sign_in(self) -> str:
        """Fetch a token."""
        identity = self.settings.identity
        self._credential: TokenCredential = open_credential(identity, self._deadline)
        scope = vault_scope(self.settings.vault_url) if self.settings.secrets else SQL_SCOPE
        sign_in(self._credential, identity, scope, self._deadline)
        if not self.settings.sql.uses_password:
            self.sql_token = token_source(self._credential, identity, SQL_SCOPE)
        return f"{identity.describe()} has a token"

    def _ask_vault(self) -> str:
        """Read the first secret: what every other one would meet shows here."""
        self._client = open_vault(self.settings.vault_url, self._credential, self._deadline)
        self._read(self.settings.secrets[0])
        return f"{urlsplit(self.settings.vault_url).netloc} answers"

    def _read_secret(self, reference: SecretReference) -> str:
        """Read one secret."""
        outcome = self._outcomes.get(reference) or self._read(reference)
        if isinstance(outcome, SecretFailure):
            raise VaultError(
                f"{outcome.secret}: {outcome.message}", kind=outcome.kind, hint=outcome.hint
            )
        self._secrets.append(outcome)
        self._hide()
        return outcome.describe()

    def _read(self, reference: SecretReference) -> Secret | SecretFailure:
        """Ask the vault for one secret, and keep the answer."""
        [outcome] = try_secrets(
            [reference],
            self._client,
            vault_url=self.settings.vault_url,
            deadline=self._deadline,
        )
        self._outcomes[reference] = outcome
        return outcome

    def _hide(self) -> None:
        """Keep what is known by now out of every later line."""
        identity = self.settings.identity
        credentials = [identity.client_secret.text, identity.certificate_password.text]
        secrets = [secret.value for secret in self._secrets]
        self._walk.hide([*credentials, *secrets, *self._from_workspace.values()])
