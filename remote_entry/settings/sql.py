"""Variables → where the SQL Server is and how to sign in to it; no I/O."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from remote_entry.settings.identity import MANAGED_IDENTITY, SERVICE_PRINCIPAL
from remote_entry.settings.variables import positive_seconds, settings_error, strip

USER_NAME_LABEL = "SQL_USERNAME"
PASSWORD_LABEL = "SQL_PASSWORD"  # noqa: S105 (a label, not a password)
CONNECTION_STRING_LABEL = "SQL_CONNECTION_STRING"
SQL_LABELS = frozenset({USER_NAME_LABEL, PASSWORD_LABEL, CONNECTION_STRING_LABEL})
"""Secrets that open the SQL Server: labels in Key Vault, or variables from the workspace."""

PASSWORD = "password"  # noqa: S105 (a way to sign in, not a password)
DEFAULT_PATIENCE = 120.0  # a paused database takes about a minute to wake up

_SQL_SERVER = re.compile(
    r"(?:tcp:)?(?P<host>[^\s,;:{}\\]+(?:\\[^\s,;:{}\\]+)?)(?:[,:](?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class SqlSettings:
    r"""Where the SQL Server is and what opens it.

    Attributes:
        server: Host name, or host\instance; empty if ``SQL_SERVER`` is not set.
        port: TCP port, or None for the driver's default.
        database: Database name; empty for the login's default.
        auth: ``password``, or ``service-principal`` or ``managed-identity`` for an access token of
            the run's own identity.
        user_name_label: Label of the secret with the login's name, None if there is none; the
            label of a secret from the workspace is its variable.
        password_label: Label of the secret with the login's password, None if there is none.
        connection_string_label: Label of a whole ODBC connection string; it wins over the rest.
        workload: What the run works on, for the server's administrators.
        patience: Seconds to keep trying while the server has a condition that passes.
        query_seconds: How long a query may take to answer; 0 for as long as it takes.
    """

    server: str = ""
    port: int | None = None
    database: str = ""
    auth: str = PASSWORD
    user_name_label: str | None = None
    password_label: str | None = None
    connection_string_label: str | None = None
    workload: str = ""
    patience: float = DEFAULT_PATIENCE
    query_seconds: float = 0.0

    @property
    def uses_password(self) -> bool:
        """Whether the login has a name and a password, and no access token."""
        return self.auth == PASSWORD

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], labels: Collection[str]) -> "SqlSettings":
        """Read and check the SQL Server's variables alone.

        Args:
            environ: Variables as the run sees them, such as ``os.environ``.
            labels: Labels of the secrets that there are.

        Raises:
            SettingsError: One of them is malformed.
        """
        problems: list[str] = []
        settings = read_sql(strip(environ, []), labels, problems)
        if problems:
            raise settings_error(problems)
        return settings


def read_sql(
    variables: Mapping[str, str], labels: Collection[str], problems: list[str]
) -> SqlSettings:
    """Return where the SQL Server is and which labels open it.

    Args:
        variables: The environment, white space already stripped.
        labels: Labels of the secrets that there are.
        problems: Receives one line for each thing that must be corrected.
    """
    server, port = _server(variables.get("SQL_SERVER", ""), problems)
    user_name, password, connection_string = USER_NAME_LABEL, PASSWORD_LABEL, None
    if CONNECTION_STRING_LABEL in labels:
        connection_string = CONNECTION_STRING_LABEL
    elif USER_NAME_LABEL not in labels and PASSWORD_LABEL not in labels:
        user_name, password = "1", "2"
    return SqlSettings(
        server=server,
        port=port,
        database=variables.get("SQL_DATABASE", ""),
        auth=_auth(variables, connection_string, problems),
        user_name_label=user_name if user_name in labels else None,
        password_label=password if password in labels else None,
        connection_string_label=connection_string,
        workload=variables.get("SQL_WORKLOAD") or variables.get("AZUREML_ARM_PROJECT_NAME", ""),
        patience=positive_seconds(
            "REMOTE_ENTRY_SQL_DEADLINE", variables, DEFAULT_PATIENCE, problems
        ),
        query_seconds=positive_seconds("REMOTE_ENTRY_SQL_QUERY_SECONDS", variables, 0.0, problems),
    )


def _auth(variables: Mapping[str, str], connection_string: str | None, problems: list[str]) -> str:
    """Return how to sign in: with a token, the token has to be that of the run's identity."""
    auth = variables.get("SQL_AUTH") or PASSWORD
    identity = variables.get("REMOTE_ENTRY_IDENTITY") or SERVICE_PRINCIPAL
    if auth not in {PASSWORD, SERVICE_PRINCIPAL, MANAGED_IDENTITY}:
        problems.append(f"SQL_AUTH is none of {PASSWORD}, {SERVICE_PRINCIPAL}, {MANAGED_IDENTITY}")
    elif auth not in {PASSWORD, identity}:
        problems.append(f"SQL_AUTH={auth}, but REMOTE_ENTRY_IDENTITY says {identity}")
    elif auth != PASSWORD and connection_string:
        problems.append(
            f"SQL_AUTH={auth} and AZURE_SECRET_{CONNECTION_STRING_LABEL} contradict each other"
        )
    return auth


def _server(address: str, problems: list[str]) -> tuple[str, int | None]:
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
