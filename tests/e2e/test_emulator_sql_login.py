"""The SQL Server as part of the emulator: its logins are the vault's, its tables the config's."""

from collections.abc import Iterator
from pathlib import Path

import mssql_python
import pytest

from submitter.emulator import Emulator


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Play a SQL Server with one table and one login whose password is a secret."""
    (tmp_path / "flights.csv").write_text("carrier,delay\nUA,3\nDL,-2\n")
    config = tmp_path / "emulator.yml"
    config.write_text(
        "vaults: {kv-local: {sql-password: {generate: true}}}\n"
        "sql:\n"
        "  logins: {reader: {secret: sql-password}}\n"
        "  databases: {flights: {tables: {flights: {csv: flights.csv}}}}\n"
    )
    # A pooled connection would be handed out again without a login.
    mssql_python.pooling(enabled=False)
    with Emulator(config) as emulator:
        monkeypatch.setenv("SSL_CERT_FILE", emulator.environ["SSL_CERT_FILE"])
        yield emulator


def rows(azure: Emulator, password: str) -> list[tuple[str, int]]:
    """Sign in over verified TLS and read the table."""
    quoted = password.replace("}", "}}")
    connection = mssql_python.connect(
        f"Server={azure.environ['SQL_SERVER']};Database=flights;UID=reader;PWD={{{quoted}}};"
        "Encrypt=yes;TrustServerCertificate=no;"
    )
    cursor = connection.cursor()
    cursor.execute("SELECT carrier, delay FROM flights ORDER BY delay")
    found = [(row[0], row[1]) for row in cursor.fetchall()]
    connection.close()
    return found


def test_a_login_has_the_secrets_current_password(azure: Emulator) -> None:
    """A rotated secret is the new password at once, and the old one is none any more."""
    vault = azure.vault("kv-local")
    first = vault.secret("sql-password").value
    assert rows(azure, first) == [("DL", -2), ("UA", 3)]
    vault.set("sql-password", "another;pass}word")
    assert rows(azure, "another;pass}word") == [("DL", -2), ("UA", 3)]
    with pytest.raises(mssql_python.Error, match="Login failed"):
        rows(azure, first)
