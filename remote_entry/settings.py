"""Environment variables → frozen dataclasses; no I/O and no SDK.

The laptop imports this module too, so that a job is checked before a container sees it. Every
problem is reported at once; values are never quoted, because a password may stand where a name
belongs.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from remote_entry.credentials import CREDENTIAL_VARIABLES
from remote_entry.errors import SettingsError
from remote_entry.references import PREFIX, SecretReference, read_references

__all__ = [
    "CREDENTIAL_VARIABLES",
    "FROM_WORKSPACE_SUFFIX",
    "SQL_LABELS",
    "SecretReference",
    "Settings",
    "SqlSettings",
]

FROM_WORKSPACE_SUFFIX = "_FROM_WORKSPACE"

DEFAULT_DEADLINE = 60.0
DEFAULT_GRACE = 30.0

USER_NAME_LABEL = "SQL_USERNAME"
PASSWORD_LABEL = "SQL_PASSWORD"  # noqa: S105 (a label, not a password)
CONNECTION_STRING_LABEL = "SQL_CONNECTION_STRING"
SQL_LABELS = frozenset({USER_NAME_LABEL, PASSWORD_LABEL, CONNECTION_STRING_LABEL})
"""Secrets that open the SQL Server: labels in Key Vault, or variables from the workspace."""

_NOTHING_READ: Mapping[str, str] = MappingProxyType({})

_DIRECTORY_ID = re.compile(r"[0-9A-Za-z.-]+")
_SQL_SERVER = re.compile(
    r"(?:tcp:)?(?P<host>[^\s,;:{}\\]+(?:\\[^\s,;:{}\\]+)?)(?:[,:](?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class SqlSettings:
    r"""Where the SQL Server is and which secrets open it.

    Attributes:
        server: Host name, or host\instance; empty if ``SQL_SERVER`` is not set.
        port: TCP port, or None for the driver's default.
        database: Database name; empty for the login's default.
        user_name_label: Label of the secret with the login's name, None if there is none; the
            label of a secret from the workspace is its variable.
        password_label: Label of the secret with the login's password, None if there is none.
        connection_string_label: Label of a whole ODBC connection string; it wins over the rest.
    """

    server: str = ""
    port: int | None = None
    database: str = ""
    user_name_label: str | None = None
    password_label: str | None = None
    connection_string_label: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], labels: Collection[str]) -> "SqlSettings":
        """Read and check the SQL Server's variables alone.

        Args:
            environ: Variables as the run sees them, such as ``os.environ``.
            labels: Labels of the secrets that there are.

        Raises:
            SettingsError: ``SQL_SERVER`` is malformed.
        """
        problems: list[str] = []
        settings = _sql_settings(_strip(environ, []), labels, problems)
        if problems:
            raise _settings_error(problems)
        return settings


@dataclass(frozen=True)
class Settings:
    """Everything the run's variables say.

    Attributes:
        tenant_id: Entra tenant of the service principal; empty if no secret is asked for.
        client_id: Application id of the service principal.
        client_secret: Its secret; empty if it comes from the workspace and was not read yet.
        vault_url: ``https://<vault>.vault.azure.net``, without a trailing slash.
        secrets: The secrets to read.
        sql: The SQL Server.
        from_workspace: Variable → name of the workspace secret that holds its value.
        deadline: Seconds for everything between start and the last secret.
        grace: Seconds between SIGTERM and SIGKILL for the command.
        warnings: What was understood but should be corrected.
    """

    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    vault_url: str = ""
    secrets: tuple[SecretReference, ...] = ()
    sql: SqlSettings = SqlSettings()
    from_workspace: Mapping[str, str] = field(default_factory=dict)
    deadline: float = DEFAULT_DEADLINE
    grace: float = DEFAULT_GRACE
    warnings: tuple[str, ...] = ()

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
        variables = _strip(environ, warnings)
        names = _split_off_workspace(variables, problems, warnings)
        _warn_of_unused_credentials(variables, names, warnings)
        variables |= _strip(from_workspace, warnings)
        pending = [variable for variable in names if variable not in from_workspace]
        references = read_references(variables | dict.fromkeys(pending), problems, warnings)
        secrets = tuple(
            replace(reference, name_held_by=names.get(reference.variable))
            for reference in references
        )
        if secrets or any(variable.startswith(PREFIX) for variable in pending):
            _require_identity(variables, names, problems)
        labels = {reference.label for reference in secrets} | (SQL_LABELS & names.keys())
        settings = cls(
            tenant_id=_directory_id("AZURE_TENANT_ID", variables, problems),
            client_id=_directory_id("AZURE_CLIENT_ID", variables, problems),
            client_secret=variables.get("AZURE_CLIENT_SECRET", ""),
            vault_url=_vault_url(variables.get("KEY_VAULT_URL", ""), problems),
            secrets=secrets,
            sql=_sql_settings(variables, labels, problems),
            from_workspace=names,
            deadline=_seconds("REMOTE_ENTRY_DEADLINE", variables, DEFAULT_DEADLINE, problems),
            grace=_seconds("REMOTE_ENTRY_GRACE", variables, DEFAULT_GRACE, problems),
            warnings=tuple(warnings),
        )
        if problems:
            raise _settings_error(problems)
        return settings


def _strip(environ: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """Remove stray white space around the values this package reads."""
    variables = {}
    for variable, value in environ.items():
        stripped = value.strip()
        if stripped != value and _is_ours(variable):
            warnings.append(f"{variable} has white space around its value; it was removed")
        variables[variable] = stripped
    return variables


def _is_ours(variable: str) -> bool:
    """Tell whether this package gives a meaning to a variable."""
    return (
        variable.startswith(("AZURE_SECRET_", "REMOTE_ENTRY_"))
        or variable.endswith(FROM_WORKSPACE_SUFFIX)
        or variable
        in {
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "KEY_VAULT_URL",
            "SQL_SERVER",
            "SQL_DATABASE",
        }
    )


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


def _require_identity(
    variables: Mapping[str, str], from_workspace: Mapping[str, str], problems: list[str]
) -> None:
    """Check that secrets are asked for with a vault and a service principal to open it."""
    required = ("KEY_VAULT_URL", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    problems.extend(
        f"{variable} is not set, and neither is {variable}{FROM_WORKSPACE_SUFFIX}"
        for variable in required
        if not variables.get(variable) and variable not in from_workspace
    )


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


def _directory_id(variable: str, variables: Mapping[str, str], problems: list[str]) -> str:
    """Return a tenant or client id."""
    value = variables.get(variable, "")
    if value and not _DIRECTORY_ID.fullmatch(value):
        problems.append(f"{variable} is not an id: letters, digits, '-' and '.' only")
    return value


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


def _sql_settings(
    variables: Mapping[str, str], labels: Collection[str], problems: list[str]
) -> SqlSettings:
    """Return where the SQL Server is and which labels open it."""
    server, port = _sql_server(variables.get("SQL_SERVER", ""), problems)
    user_name, password, connection_string = USER_NAME_LABEL, PASSWORD_LABEL, None
    if CONNECTION_STRING_LABEL in labels:
        connection_string = CONNECTION_STRING_LABEL
    elif USER_NAME_LABEL not in labels and PASSWORD_LABEL not in labels:
        user_name, password = "1", "2"
    return SqlSettings(
        server=server,
        port=port,
        database=variables.get("SQL_DATABASE", ""),
        user_name_label=user_name if user_name in labels else None,
        password_label=password if password in labels else None,
        connection_string_label=connection_string,
    )


def _sql_server(address: str, problems: list[str]) -> tuple[str, int | None]:
    """Split ``tcp:name,1433`` and its many spellings into host and port."""
    if not address:
        return "", None
    match = _SQL_SERVER.fullmatch(address)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        problems.append(
            "SQL_SERVER is not a server: use name.database.windows.net or name,1433 "
            "(no user name, no database, no URL)"
        )
        return "", None
    return match["host"], int(match["port"]) if match["port"] else None


def _seconds(
    variable: str, variables: Mapping[str, str], default: float, problems: list[str]
) -> float:
    """Return a positive number of seconds."""
    text = variables.get(variable, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        problems.append(f"{variable} is not a positive number of seconds")
        return default
    return seconds


def _settings_error(problems: list[str]) -> SettingsError:
    """Return one error for all problems."""
    found = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return SettingsError(
        f"The run's environment variables have {found}:{lines}",
        kind="settings",
        hint="correct environment_variables in the job file or in the registered environment",
    )
