"""The played SQL Server as the configuration describes it: its logins, databases and tables."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from submitter.emulator.certificates import Certificates
from submitter.emulator.config import SqlConfig, TableConfig
from submitter.emulator.entra import Entra, TokenError, TokenExpiredError
from submitter.emulator.errors import ConfigError
from submitter.emulator.vault import SecretNotFound, Vault

if TYPE_CHECKING:
    from submitter.emulator.sqlserver import SqlServer

TOKEN_AUDIENCE = "https://database.windows.net/"  # noqa: S105 - a resource, not a token


def build_sql_server(
    config: SqlConfig, vault: Vault, entra: Entra, certificates: Certificates
) -> "SqlServer":
    """Make the SQL Server; its tables are loaded by `load_tables` once it runs.

    Args:
        config: What to play.
        vault: Where logins with a secret have their password.
        entra: Validates access tokens.
        certificates: Signs its certificate.

    Returns:
        A server that has not been started.

    Raises:
        ConfigError: A login is granted what is no permission.
    """
    # DuckDB and its company cost a second to import: only those who play a SQL Server pay it.
    from submitter.emulator.sqlserver import SqlServer
    from submitter.emulator.sqlserver.login import TOKEN_PRINCIPAL, login_failed

    def password_of(login: str) -> str | None:
        found = config.logins.get(login)
        if found is None:
            return None
        if found.secret is None:
            return found.password
        try:
            # At every login: a rotated secret is the new password at once.
            return vault.secret(found.secret).value
        except SecretNotFound:
            return None

    def principal_of(token: str) -> str | None:
        try:
            claims = entra.validate(token, TOKEN_AUDIENCE)
        except TokenExpiredError:
            raise login_failed(TOKEN_PRINCIPAL, " Token is expired.") from None
        except TokenError:
            return None
        return str(claims.get("appid") or claims["sub"])

    names = ("localhost", config.server)
    try:
        return SqlServer(
            tls=lambda context: certificates.configure(context, names),
            logins=password_of,
            databases=config.databases,
            check_token=principal_of,
            grants={
                name: login.permissions
                for name, login in config.logins.items()
                if login.permissions is not None
            },
            wrong_tls={
                "untrusted": lambda context: Certificates().configure(context, names),
                "other-host": lambda context: certificates.configure(
                    context, ("elsewhere.example",)
                ),
                "expired": lambda context: certificates.configure(context, names, expired=True),
            },
        )
    except ValueError as error:
        raise ConfigError(f"The played SQL Server grants what it cannot: {error}.") from None


def load_tables(server: "SqlServer", config: SqlConfig) -> None:
    """Load the tables that the configuration names.

    Raises:
        ConfigError: A file or a package is not there.
    """
    for database, content in config.databases.items():
        for table, source in content.tables.items():
            server.load(database, table, _file_of(table, source))


def _file_of(table: str, source: TableConfig) -> Path:
    if source.package is not None:
        file = _package_folder(table, source.package) / str(source.file)
    else:
        file = Path(str(source.csv or source.parquet))
    if not file.is_file():
        raise ConfigError(
            f"Table '{table}' is to be loaded from {file}, which does not exist. "
            "Paths in emulator.yml are relative to its folder."
        )
    return file


def _package_folder(table: str, package: str) -> Path:
    """Find a package's folder without importing it."""
    found = importlib.util.find_spec(package)
    locations = found.submodule_search_locations if found else None
    if not locations:
        raise ConfigError(
            f"Table '{table}' is to be loaded from the Python package '{package}', which is not "
            f"installed here. Install it: pip install {package}."
        )
    return Path(next(iter(locations)))
