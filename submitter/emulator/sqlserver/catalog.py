"""What exists: databases, schemas, tables and their declared T-SQL types.

The engine stores values; it has no tinyint, no money and no nvarchar(32). What a client
declared is kept here, and found again for results, catalogue views and parameters.
"""

import dataclasses
import itertools
import threading
from collections.abc import Iterable, Mapping

from submitter.emulator.sqlserver.errors import SqlError, unknown_database
from submitter.emulator.sqlserver.permissions import Permissions
from submitter.emulator.sqlserver.row_versions import RowVersions
from submitter.emulator.sqlserver.session_list import SessionList
from submitter.emulator.sqlserver.types import ROW_VERSION, Column

DEFAULT_SCHEMA = "dbo"
SYSTEM_DATABASES = ("master", "tempdb")
_BUILT_IN_SCHEMAS = ("dbo", "guest", "INFORMATION_SCHEMA", "sys")

TableKey = tuple[str, str, str]  # database, schema, table; each in lower case


@dataclasses.dataclass(frozen=True)
class ForeignKey:
    """A reference from columns of one table to columns of another."""

    name: str
    columns: tuple[str, ...]
    referred: TableKey
    referred_columns: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Key:
    """A primary key, a unique constraint or an index."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    unique: bool = True
    constraint: bool = True


@dataclasses.dataclass(frozen=True)
class Table:
    """A table or a view, as it was declared."""

    database: str
    schema: str
    name: str
    columns: tuple[Column, ...]
    object_id: int = 0
    keys: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    defaults: Mapping[str, str] = dataclasses.field(default_factory=dict)
    definition: str | None = None  # the text of a view

    @property
    def key(self) -> TableKey:
        """What the table is found by."""
        return self.database.lower(), self.schema.lower(), self.name.lower()

    @property
    def is_temporary(self) -> bool:
        """Whether the table lives in one session only."""
        return self.name.startswith("#")

    @property
    def identity(self) -> Column | None:
        """The column that numbers itself."""
        return next((column for column in self.columns if column.identity), None)

    @property
    def row_version(self) -> Column | None:
        """The column that is numbered anew whenever its row changes."""
        return next((column for column in self.columns if column.type == ROW_VERSION), None)

    def column(self, name: str) -> Column | None:
        """Return a column by its name, in whatever case."""
        wanted = name.lower()
        return next((column for column in self.columns if column.name.lower() == wanted), None)


class Catalog:
    """All databases of one server; safe to use from several sessions."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._databases: dict[str, str] = {}
        self._schemas: dict[str, dict[str, str]] = {}
        self._tables: dict[TableKey, Table] = {}
        self._object_ids = itertools.count(901578250, 16)
        self._row_versions: dict[str, RowVersions] = {}
        self._next_identity: dict[int, int] = {}
        self._identity_locks: dict[int, threading.RLock] = {}
        self.version = 0
        self.sessions = SessionList()

    def add_database(self, name: str) -> None:
        """Make a database known."""
        with self._lock:
            self._databases[name.lower()] = name
            self._schemas[name.lower()] = {schema.lower(): schema for schema in _BUILT_IN_SCHEMAS}
            self.version += 1

    def remove_database(self, name: str) -> None:
        """Forget a database and all that is in it."""
        with self._lock:
            self._databases.pop(name.lower(), None)
            self._tables = {
                key: table for key, table in self._tables.items() if key[0] != name.lower()
            }
            self.version += 1

    def databases(self) -> list[str]:
        """Return the databases' names as they were given."""
        with self._lock:
            return list(self._databases.values())

    def database(self, name: str) -> str:
        """Return a database's name as it was given.

        Raises:
            SqlError: 911 if there is none.
        """
        found = self._databases.get(name.lower())
        if found is None:
            raise unknown_database(name)
        return found

    def schemas(self, database: str) -> list[str]:
        """Return the names of a database's schemas."""
        with self._lock:
            return list(self._schemas[database.lower()].values())

    def add_schema(self, database: str, name: str) -> None:
        """Make a schema known."""
        with self._lock:
            schemas = self._schemas[database.lower()]
            if name.lower() in schemas:
                raise SqlError(2714, f"There is already an object named '{name}' in the database.")
            schemas[name.lower()] = name
            self.version += 1

    def remove_schema(self, database: str, name: str) -> None:
        """Forget a schema."""
        with self._lock:
            self._schemas[database.lower()].pop(name.lower(), None)
            self.version += 1

    def has_schema(self, database: str, name: str) -> bool:
        """Whether a database has a schema."""
        return name.lower() in self._schemas[database.lower()]

    def find(self, key: TableKey) -> Table | None:
        """Return a table, or None."""
        return self._tables.get((key[0].lower(), key[1].lower(), key[2].lower()))

    def tables(self, database: str) -> list[Table]:
        """Return the tables and views of a database, oldest first."""
        with self._lock:
            return [table for table in self._tables.values() if table.key[0] == database.lower()]

    def new_object_id(self) -> int:
        """Return a number that no object has."""
        with self._lock:
            return next(self._object_ids)

    def define(self, table: Table) -> Table:
        """Add or replace a table; return it with its object id."""
        with self._lock:
            if not table.object_id:
                table = dataclasses.replace(table, object_id=self.new_object_id())
            self._tables[table.key] = table
            self.version += 1
            return table

    def remove(self, key: TableKey) -> Table | None:
        """Forget a table; return what it was."""
        with self._lock:
            self.version += 1
            return self._tables.pop(key, None)

    def row_versions(self, database: str) -> RowVersions:
        """Return the counter of a database's rowversion columns."""
        with self._lock:
            return self._row_versions.setdefault(database.lower(), RowVersions())

    def identity_lock(self, table: Table) -> threading.RLock:
        """Return what an insert holds while it numbers its rows."""
        with self._lock:
            return self._identity_locks.setdefault(table.object_id, threading.RLock())

    def next_identity(self, table: Table) -> int:
        """Return the number that the next row gets."""
        return self._next_identity.get(table.object_id, 1)

    def advance_identity(self, table: Table, next_value: int) -> None:
        """Note that numbers below are used up; like SQL Server's, they survive a rollback."""
        if next_value > self.next_identity(table):
            self._next_identity[table.object_id] = next_value

    def reset_identity(self, table: Table) -> None:
        """Start numbering afresh, as TRUNCATE TABLE does."""
        self._next_identity.pop(table.object_id, None)


class Namespace:
    """How one session sees the catalogue: its database, its temporary tables, what it may do.

    Args:
        catalog: The server's.
        database: The session's current database.
        permissions: What the session may do; the owner may do everything.
        session_id: @@SPID.
    """

    def __init__(
        self,
        catalog: Catalog,
        database: str,
        permissions: Permissions | None = None,
        session_id: int = 51,
    ) -> None:
        self.catalog = catalog
        self.database = database
        self.permissions = permissions or Permissions()
        self.session_id = session_id
        self._temporary: dict[str, Table] = {}
        self._temporary_version = 0

    @property
    def version(self) -> tuple[str, int, int]:
        """What changes whenever a name may mean something else."""
        return self.database, self.catalog.version, self._temporary_version

    def find(self, name: str, schema: str = "", database: str = "") -> Table | None:
        """Return the table that a name of one to three parts means here."""
        if name.startswith("#"):
            return self._temporary.get(name.lower())
        return self.catalog.find((database or self.database, schema or DEFAULT_SCHEMA, name))

    def define(self, table: Table) -> Table:
        """Add a table where its name says."""
        if not table.is_temporary:
            return self.catalog.define(table)
        table = dataclasses.replace(table, object_id=-self.catalog.new_object_id())
        self._temporary[table.name.lower()] = table
        self._temporary_version += 1
        return table

    def remove(self, table: Table) -> None:
        """Forget a table."""
        if table.is_temporary:
            self._temporary.pop(table.name.lower(), None)
            self._temporary_version += 1
        else:
            self.catalog.remove(table.key)

    def temporary_tables(self) -> Iterable[Table]:
        """Return the session's own tables."""
        return tuple(self._temporary.values())
