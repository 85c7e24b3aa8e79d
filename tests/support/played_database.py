"""A played SQL Server and the product's own way into it, without vault and settings."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mssql_python
import trustme
from sqlalchemy import create_engine

from remote_entry.masking import Masker
from remote_entry.sql.connector import Connector
from remote_entry.sql.database import Database
from remote_entry.sql.odbc import connection_string, find_driver
from submitter.emulator.sqlserver import Login, SqlServer

PASSWORD = "p;{w}@d 1%"
UNICODE_PASSWORD = "pä55 漢"
TOKEN = "a good token"


@dataclass(frozen=True)
class Played:
    """A server and how to reach it.

    Attributes:
        server: It.
        database: The way in with a password.
        waits: Seconds that were waited for between attempts; nobody really waits.
    """

    server: SqlServer
    database: Database
    waits: list[float]

    def run(self, *statements: str) -> None:
        """Run statements and commit."""
        with self.database.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def with_token(self, token: str = TOKEN) -> Database:
        """Return the way in with an access token."""
        return reach(self.server.port, self.waits, lambda: token)


@contextmanager
def play_database(folder: Path) -> Iterator[Played]:
    """Start a server whose certificate the drivers trust.

    Args:
        folder: Where to put the authority's certificate.
    """
    # Tests of other modules may have switched its pool on for this process: a script's decision,
    # which the product leaves alone.
    mssql_python.pooling(enabled=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
    with SqlServer(
        tls=authority.issue_cert("localhost").configure_cert,
        logins=[Login("reader", PASSWORD), Login("leser", UNICODE_PASSWORD)],
        databases=["train"],
        check_token=lambda token: "a principal" if token == TOKEN else None,
    ) as server:
        waits: list[float] = []
        played = Played(server, reach(server.port, waits), waits)
        yield played
        played.database.engine.dispose()
    if before is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = before


@contextmanager
def play_numbers(folder: Path, rows: int) -> Iterator[Played]:
    """Start a server with a table ``v`` of the first numbers; a few of its rows have none.

    Args:
        folder: Where to put the authority's certificate.
        rows: How many there are, a multiple of 1,000.
    """
    with play_database(folder) as running:
        running.run("CREATE TABLE v (id int, name nvarchar(40), rv rowversion)")
        for first in range(0, rows, 1000):
            values = ", ".join(
                f"({n if n % 999 else 'NULL'}, N'naïve')" for n in range(first, first + 1000)
            )
            running.run(f"INSERT INTO v (id, name) VALUES {values}")  # noqa: S608 - ours
        running.database.engine.dispose()  # sessions are counted
        yield running


def reach(
    port: int,
    waits: list[float],
    token: Callable[[], str] | None = None,
    login: tuple[str, str] = ("reader", PASSWORD),
    setup: str = "",
) -> Database:
    """Return the way into a played server, from any process that trusts its certificate.

    Args:
        port: Where it listens.
        waits: Where to note how long was waited for between attempts; nobody really waits.
        token: Returns an access token, instead of the password.
        login: The user and the password.
        setup: T-SQL that each connection begins with.
    """
    attributes = {
        "Driver": find_driver(),
        "Server": f"tcp:localhost,{port}",
        **({} if token else {"UID": login[0], "PWD": login[1]}),
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "APP": "remote_entry/1 flights",
        "WSID": "run-7",
        "Database": "train",
    }
    connector = Connector(
        connection_string(attributes),
        server="localhost",
        masker=Masker([PASSWORD]),
        token=token,
        patience=60.0,
        setup=setup,
        sleep=waits.append,
    )
    engine = create_engine(
        "mssql+pyodbc://", creator=connector, hide_parameters=True, pool_pre_ping=True
    )
    return Database(connector, engine)
