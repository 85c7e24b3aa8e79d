"""Everything that a run's variables say, checked.

Every problem is reported at once; values are never quoted, because a password may stand where a
name belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from remote_entry.settings.identity import (
    MANAGED_IDENTITY,
    SERVICE_PRINCIPAL,
    IdentitySettings,
    read_identity,
    require_identity,
)
from remote_entry.settings.references import (
    FROM_WORKSPACE_SUFFIX,
    PREFIX,
    SecretReference,
    read_references,
)
from remote_entry.settings.sql import (
    CONNECTION_STRING_LABEL,
    PASSWORD_LABEL,
    SQL_LABELS,
    SqlSettings,
    read_sql,
)
from remote_entry.settings.variables import positive_seconds, settings_error, strip

DEFAULT_DEADLINE = 60.0
DEFAULT_GRACE = 30.0

_NOTHING_READ: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Settings:
    """Everything the run's variables say.

    Attributes:
        identity: Who the run is.
        vault_url: ``https://<vault>.vault.azure.net``, without a trailing slash.
        secrets: The secrets to read.
        sql: The SQL Server.
        uses_storage: Whether the run's identity signs in to blob storage, too.
        from_workspace: Variable → name of the workspace secret that holds its value.
        deadline: Seconds for everything between start and the last secret.
        grace: Seconds between SIGTERM and SIGKILL for the command.
        warnings: What was understood but should be corrected.
    """

    identity: IdentitySettings = field(default_factory=IdentitySettings)
    vault_url: str = ""
    secrets: tuple[SecretReference, ...] = ()
    sql: SqlSettings = field(default_factory=SqlSettings)
    uses_storage: bool = False
    from_workspace: Mapping[str, str] = field(default_factory=dict)
    deadline: float = DEFAULT_DEADLINE
    grace: float = DEFAULT_GRACE
    warnings: tuple[str, ...] = ()

    @property
    def needs_identity(self) -> bool:
        """Whether anything asks for a token."""
        return bool(self.secrets) or not self.sql.uses_password or self.uses_storage

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], from_workspace: Mapping[str, str] = _NOTHING_READ
    ) -> "Settings":
        """Read and check the variables.

        Args:
            environ: Variables as the run sees them, such as ``os.environ``.
            from_workspace: Variable → value, for what was read from the workspace already.

        Returns:
            The settings. Where ``<VARIABLE>_FROM_WORKSPACE`` is set and the value was not read
            yet, the field of that variable is empty.

        Raises:
            SettingsError: Something is missing or malformed; the message lists every problem.
        """
        problems: list[str] = []
        warnings: list[str] = []
        variables = strip(environ, warnings)
        names = _split_off_workspace(variables, problems, warnings)
        _warn_of_unused_credentials(variables, names, warnings)
        variables |= strip(from_workspace, warnings)
        pending = [variable for variable in names if variable not in from_workspace]
        references = read_references(variables | dict.fromkeys(pending), problems, warnings)
        secrets = tuple(
            replace(reference, name_held_by=names.get(reference.variable))
            for reference in references
        )
        labels = {reference.label for reference in secrets} | (SQL_LABELS & names.keys())
        settings = cls(
            identity=read_identity(variables, problems, warnings),
            vault_url=_vault_url(variables.get("KEY_VAULT_URL", ""), problems),
            secrets=secrets,
            sql=read_sql(variables, labels, problems),
            uses_storage=_uses_storage(variables, problems),
            from_workspace=names,
            deadline=positive_seconds(
                "REMOTE_ENTRY_DEADLINE", variables, DEFAULT_DEADLINE, problems
            ),
            grace=positive_seconds("REMOTE_ENTRY_GRACE", variables, DEFAULT_GRACE, problems),
            warnings=tuple(warnings),
        )
        _require(settings, variables, pending, problems)
        if problems:
            raise settings_error(problems)
        return settings


def _split_off_workspace(
    variables: dict[str, str], problems: list[str], warnings: list[str]
) -> dict[str, str]:
    """Take the ``_FROM_WORKSPACE`` variables out, and what they replace."""
    from_workspace = {}
    for indirect in [name for name in variables if name.endswith(FROM_WORKSPACE_SUFFIX)]:
        secret_name = variables.pop(indirect)
        variable = indirect.removesuffix(FROM_WORKSPACE_SUFFIX)
        if not variable or not secret_name:
            problems.append(f"{indirect} is empty; give it the name of a workspace secret")
            continue
        if variables.pop(variable, ""):
            warnings.append(f"{variable} and {indirect} are both set; the workspace's value wins")
        if variable in SQL_LABELS and f"{PREFIX}{variable}" in variables:
            warnings.append(
                f"{PREFIX}{variable} and {indirect} are both set; the workspace's value wins"
            )
        from_workspace[variable] = secret_name
    return from_workspace


def _warn_of_unused_credentials(
    variables: Mapping[str, str], from_workspace: Mapping[str, str], warnings: list[str]
) -> None:
    """Say which credentials in clear are ignored, and what to use in their place."""
    warnings.extend(
        f"{label} is ignored and kept from the command: store the value in Key Vault and "
        f"set AZURE_SECRET_{label} to the secret's name, or store it in the workspace and set "
        f"{label}{FROM_WORKSPACE_SUFFIX}"
        for label in (PASSWORD_LABEL, CONNECTION_STRING_LABEL)
        if variables.get(label) and label not in from_workspace
    )


def _require(
    settings: Settings, variables: Mapping[str, str], pending: list[str], problems: list[str]
) -> None:
    """Check that what is asked for comes with a vault and with an identity to open it."""
    asks_vault = bool(settings.secrets) or any(name.startswith(PREFIX) for name in pending)
    if asks_vault and not variables.get("KEY_VAULT_URL") and "KEY_VAULT_URL" not in pending:
        problems.append(
            f"KEY_VAULT_URL is not set, and neither is KEY_VAULT_URL{FROM_WORKSPACE_SUFFIX}"
        )
    if asks_vault or settings.needs_identity:
        require_identity(settings.identity, pending, problems)


def _uses_storage(variables: Mapping[str, str], problems: list[str]) -> bool:
    """Tell whether the run's identity signs in to blob storage: only if it is said so."""
    auth = variables.get("STORAGE_AUTH", "")
    identity = variables.get("REMOTE_ENTRY_IDENTITY") or SERVICE_PRINCIPAL
    if auth not in {"", SERVICE_PRINCIPAL, MANAGED_IDENTITY}:
        problems.append(f"STORAGE_AUTH is neither {SERVICE_PRINCIPAL} nor {MANAGED_IDENTITY}")
    elif auth not in {"", identity}:
        problems.append(f"STORAGE_AUTH={auth}, but REMOTE_ENTRY_IDENTITY says {identity}")
    return bool(auth)


def _vault_url(url: str, problems: list[str]) -> str:
    """Return the vault's address without a trailing slash."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        well_formed = bool(
            parts.scheme == "https"
            and parts.hostname
            and "@" not in parts.netloc
            and "<" not in parts.netloc
            and parts.path in ("", "/")
            and not parts.query
            and not parts.fragment
        )
    except ValueError:
        well_formed = False
    if not well_formed:
        problems.append("KEY_VAULT_URL is not of the form https://<vault>.vault.azure.net/")
        return ""
    return f"https://{parts.netloc}"
