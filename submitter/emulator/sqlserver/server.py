"""The server: a listening socket, a thread for each client, the databases behind them."""

import contextlib
import functools
import itertools
import pathlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType

import pyarrow as pa

from submitter.emulator.sqlserver import loading
from submitter.emulator.sqlserver.catalog import DEFAULT_SCHEMA, SYSTEM_DATABASES, Catalog, Table
from submitter.emulator.sqlserver.connection import Connection, Contexts, Server
from submitter.emulator.sqlserver.dialect import duckdb_text
from submitter.emulator.sqlserver.engine import Engine, quoted
from submitter.emulator.sqlserver.events import Event, EventLog
from submitter.emulator.sqlserver.faults import Certificate, SqlFaults
from submitter.emulator.sqlserver.interpreter import Interpreter
from submitter.emulator.sqlserver.login import Gatekeeper, Login, LoginRequest
from submitter.emulator.sqlserver.outcomes import EncodedResult
from submitter.emulator.sqlserver.permissions import Permissions
from submitter.emulator.sqlserver.rows import encode
from submitter.emulator.sqlserver.session import normalised_text
from submitter.emulator.sqlserver.session_list import SessionRecord
from submitter.emulator.sqlserver.sources import engine_table

Configure = Callable[[ssl.SSLContext], None]

_FIRST_SESSION = 51  # lower ones are the server's own
_ENCODED_ROWS = 20_000
_STOP_SECONDS = 1.5  # for all connections together


class SqlServer:
    """A SQL Server on the loopback interface, for the drivers of the field.

    Args:
        tls: Puts a certificate and its key into a context.
        logins: The logins, or a callable from a name to its current password, None for an
            unknown name.
        databases: The databases beside master and tempdb.
        check_token: From an access token to its principal's name, None if it is refused.
        grants: What logins are granted, as `permissions` reads it; a login that is not named is
            the owner of the databases.
        wrong_tls: Certificates that clients must refuse, for fault rules, by their names there.
        host: Where to listen.
        port: On which port; 0 takes a free one.
    """

    def __init__(
        self,
        *,
        tls: Configure,
        logins: Iterable[Login] | Callable[[str], str | None],
        databases: Iterable[str] = ("master",),
        check_token: Callable[[str], str | None] | None = None,
        grants: Mapping[str, Iterable[str]] | None = None,
        wrong_tls: Mapping[Certificate, Configure] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host = host
        self.port = port
        self.faults = SqlFaults()
        self._permissions = {
            login.lower(): Permissions(granted) for login, granted in (grants or {}).items()
        }
        self._events = EventLog()
        self._engine = Engine()
        self._catalog = Catalog()
        for name in dict.fromkeys([*SYSTEM_DATABASES, *databases]):
            self._engine.create_database(name)
            self._catalog.add_database(name)
        self._canned: dict[str, EncodedResult] = {}
        self._session_ids = itertools.count(_FIRST_SESSION)
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._stopping = False
        self._shared = Server(
            tls=_contexts(tls, wrong_tls or {}),
            gatekeeper=Gatekeeper(logins, check_token),
            databases=lambda: {name.lower() for name in self._catalog.databases()},
            open_session=self._open_session,
            faults=self.faults,
            events=self._events,
            canned=self._canned,
        )

    @property
    def events(self) -> Sequence[Event]:
        """What was seen, oldest first: logins, SQL texts, errors; the latest ten thousand."""
        return self._events

    def sessions(self) -> list[SessionRecord]:
        """Return the sessions that go on, oldest first."""
        return self._catalog.sessions.all()

    def start(self) -> None:
        """Listen; `port` is known afterwards."""
        self._listener = socket.create_server((self.host, self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="sql-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection and stop listening; again and from any thread without harm."""
        with self._lock:
            listener, self._listener = self._listener, None
            self._stopping = True
            connections = dict(self._connections)
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            connection.stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in [*connections.values(), *filter(None, [self._acceptor])]:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._engine.close()

    def __enter__(self) -> "SqlServer":  # noqa: PYI034 - Self is new in Python 3.11
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def load(self, database: str, table: str, source: pathlib.Path | pa.Table) -> int:
        """Make a table from a file or from Arrow data.

        Args:
            database: An existing database.
            table: The new table's name, with or without a schema.
            source: A .csv, .csv.gz, .csv.zip or .parquet file, or the rows themselves.

        Returns:
            How many rows it has.

        Raises:
            SqlError: The database does not exist, the table does, or the file is unknown.
        """
        rows = loading.read_table(source)
        schema, _, name = table.rpartition(".")
        columns = loading.declared_columns(rows)
        declared = Table(
            self._catalog.database(database), schema or DEFAULT_SCHEMA, name, tuple(columns)
        )
        target = duckdb_text(engine_table(declared))
        body = ", ".join(
            f"{quoted(column.name)} {column.type.duckdb}{'' if column.nullable else ' NOT NULL'}"
            for column in columns
        )
        connection = self._engine.connect()
        try:
            connection.change(f"CREATE TABLE {target} ({body})", {})
            connection.offer("loaded rows", rows)
            connection.change(f'INSERT INTO {target} SELECT * FROM "loaded rows"', {})  # noqa: S608 - names are quoted, values are bound
        finally:
            connection.close()
        self._catalog.define(declared)
        return int(rows.num_rows)

    def serve_canned(self, sql: str, table: pa.Table, times: int = 1) -> int:
        """Answer one query text with rows that are encoded now, for benchmarks.

        Args:
            sql: The text, compared without regard to case and white space.
            table: The rows.
            times: How often they come, one after the other.

        Returns:
            The answer's size in bytes.
        """
        columns = loading.declared_columns(table)
        pieces = [
            (encode(columns, batch), batch.num_rows)
            for batch in table.combine_chunks().to_batches(max_chunksize=_ENCODED_ROWS)
        ]
        self._canned[normalised_text(sql)] = EncodedResult(columns, pieces * times)
        return sum(len(data) for data, _ in pieces) * times

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return  # stop() closed the listener
            connection = Connection(accepted, self._shared, next(self._session_ids))
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="sql-connection", daemon=True
            )
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def _open_session(self, request: LoginRequest, name: str, session_id: int) -> Interpreter:
        return Interpreter(
            self._engine,
            self._catalog,
            database=self._catalog.database(request.database or "master"),
            login=name,
            host=request.host,
            application=request.application,
            session_id=session_id,
            permissions=self._permissions.get(name.lower()),
        )


def _contexts(
    tls: Configure, wrong: Mapping[Certificate, Configure]
) -> Callable[[Certificate | None], Contexts]:
    """Return what makes the contexts for a certificate, each once."""

    @functools.cache
    def contexts(certificate: Certificate | None) -> Contexts:
        configure = tls if certificate is None else wrong[certificate]
        return Contexts(
            in_packets=_context(configure, ssl.TLSVersion.TLSv1_2),
            direct=_context(configure, ssl.TLSVersion.TLSv1_3, protocol="tds/8.0"),
        )

    return contexts


def _context(tls: Configure, newest: ssl.TLSVersion, protocol: str | None = None) -> ssl.SSLContext:
    """Return a server's context; TDS 7.x cannot carry TLS 1.3 (MS-TDS 3.3.5.1)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    if protocol is not None:
        context.set_alpn_protocols([protocol])
    tls(context)
    return context
