"""Settings and secrets → the ODBC connection string.

Encryption is on and certificates are checked. The string never becomes part of a URL: SQLAlchemy
shows URLs in ``repr`` and in logs.
"""

import re
from collections.abc import Callable, Mapping

from remote_entry.errors import SettingsError
from remote_entry.settings.sql import SqlSettings
from remote_entry.sql.odbc import connection_string
from remote_entry.version import __version__

LONGEST_NAME = 128  # characters of an application name or a workstation id: MS-TDS 2.2.6.4

_ATTRIBUTE = re.compile(r"(?:^|;)\s*(?P<keyword>[A-Za-z ]+?)\s*=")


def build_connection_string(
    settings: SqlSettings,
    values: Mapping[str, str],
    *,
    tags: Mapping[str, str],
    find_driver: Callable[[], str],
) -> str:
    """Return the ODBC connection string.

    Args:
        settings: Where the server is and which labels open it.
        values: Label → secret value.
        tags: Attributes by which the server's administrators tell this run's sessions apart.
        find_driver: Returns the driver; not called if the secret names one.

    Returns:
        The string, or the connection string secret with what it leaves open filled in.

    Raises:
        SettingsError: Something is not configured.
    """
    if settings.connection_string_label is not None:
        return _complete(values[settings.connection_string_label], tags, find_driver)
    _require(settings)
    attributes = {"Driver": find_driver(), "Server": f"tcp:{_address(settings)}"}
    if settings.uses_password:
        attributes["UID"] = values[settings.user_name_label or ""]
        attributes["PWD"] = values[settings.password_label or ""]
    attributes |= {"Encrypt": "yes", "TrustServerCertificate": "no", **tags}
    if settings.database:
        attributes["Database"] = settings.database
    return connection_string(attributes)


def session_tags(workload: str, run_id: str) -> dict[str, str]:
    """Return what the server shows of every session of this run.

    Both are known while the login is classified, so they can choose a workload group (Resource
    Governor) and stand in ``sys.dm_exec_sessions`` and in audits.

    Args:
        workload: What the run works on, such as its experiment; may be empty.
        run_id: The run's id; empty outside of a run.

    Returns:
        ``APP`` (``program_name``) and, in a run, ``WSID`` (``host_name``).
    """
    tags = {"APP": f"remote_entry/{__version__} {workload}".strip()[:LONGEST_NAME]}
    if run_id:
        tags["WSID"] = run_id[:LONGEST_NAME]
    return tags


def describe_server(settings: SqlSettings) -> str:
    """Return the server and the database, for messages."""
    if settings.connection_string_label is not None:
        return f"of the secret {settings.connection_string_label}"
    database = f", database {settings.database}" if settings.database else ""
    return f"{_address(settings)} (SQL_SERVER{database})"


def _address(settings: SqlSettings) -> str:
    """Return host and port as the driver writes them."""
    return settings.server if settings.port is None else f"{settings.server},{settings.port}"


def _require(settings: SqlSettings) -> None:
    """Say everything that is missing for a login."""
    missing = []
    if not settings.server:
        missing.append("SQL_SERVER (the server's name)")
    if settings.uses_password and settings.user_name_label is None:
        missing.append(
            "AZURE_SECRET_SQL_USERNAME, AZURE_SECRET_1 or SQL_USERNAME_FROM_WORKSPACE "
            "(the secret with the user)"
        )
    if settings.uses_password and settings.password_label is None:
        missing.append(
            "AZURE_SECRET_SQL_PASSWORD, AZURE_SECRET_2 or SQL_PASSWORD_FROM_WORKSPACE "
            "(the secret with the password)"
        )
    if missing:
        raise SettingsError(
            f"SQL Server is not configured: {'; '.join(missing)} not found among the variables",
            kind="settings.sql",
            hint="set them in the job file, or AZURE_SECRET_SQL_CONNECTION_STRING alone, or "
            "SQL_AUTH=service-principal for a login without a password",
        )


def _complete(text: str, tags: Mapping[str, str], find_driver: Callable[[], str]) -> str:
    """Fill a driver and the tags into a connection string that has none."""
    keywords = {match["keyword"].lower() for match in _ATTRIBUTE.finditer(text)}
    if "://" in text.partition("=")[0] or keywords & {"initial catalog", "data source"}:
        raise SettingsError(
            "The secret SQL_CONNECTION_STRING is not an ODBC connection string",
            kind="settings.connection-string",
            hint="take the portal's ODBC string: Server=tcp:…;Database=…;Uid=…;Pwd=…",
        )
    additions = {}
    if "driver" not in keywords and "dsn" not in keywords:
        additions["Driver"] = find_driver()
    additions |= {name: value for name, value in tags.items() if name.lower() not in keywords}
    if not keywords & {"encrypt", "dsn"}:
        additions["Encrypt"] = "yes"
    return f"{connection_string(additions)};{text}" if additions else text
