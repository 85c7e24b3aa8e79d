"""What T-SQL can ask about its session: @@variables and functions without a table.

They are bound like parameters when a statement runs, so that a prepared statement answers
what holds now.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlglot import exp

from submitter.emulator.sqlserver.catalog import DEFAULT_SCHEMA, SYSTEM_DATABASES, Namespace
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.permissions import is_securable
from submitter.emulator.sqlserver.row_versions import RowVersions
from submitter.emulator.sqlserver.session_views import granted_on
from submitter.emulator.sqlserver.tokens import SERVER_NAME, VERSION
from submitter.emulator.sqlserver.types import DATETIME, INT, SqlType, nvarchar
from submitter.emulator.sqlserver.variables import Variables, find_variable

PLAYED_PROPERTY = "played property"  # a name that no statement can write
_PRODUCT_VERSION = "{}.{}.{}.4".format(*VERSION)
_SYSNAME = nvarchar(128)
_BINARY_8 = SqlType("binary", length=8)
_BANNER = (
    f"Microsoft SQL Server 2022 (emulator) - {_PRODUCT_VERSION} (X64) \n"
    "\tDeveloper Edition (64-bit) on Linux"
)
_SERVER_PROPERTIES = {
    "productversion": _PRODUCT_VERSION,
    "productlevel": "RTM",
    "productmajorversion": "16",
    "edition": "Developer Edition (64-bit)",
    "engineedition": "3",
    "servername": SERVER_NAME,
    "machinename": SERVER_NAME,
    "collation": "SQL_Latin1_General_CP1_CI_AS",
    "isclustered": "0",
    "ishadrenabled": "0",
}


_SESSION_PROPERTIES = {
    "ansi_nulls": 1,
    "ansi_padding": 1,
    "ansi_warnings": 1,
    "arithabort": 0,
    "concat_null_yields_null": 1,
    "numeric_roundabort": 0,
    "quoted_identifier": 1,
}
_CONNECTION_PROPERTIES = {
    "net_transport": "TCP",
    "protocol_type": "TSQL",
    "auth_scheme": "SQL",
    "physical_net_transport": "TCP",
    "local_net_address": "127.0.0.1",
    "client_net_address": "127.0.0.1",
}


class Session(Protocol):
    """What a system value may look at."""

    namespace: Namespace
    login: str
    host: str
    application: str
    session_id: int
    row_count: int
    last_identity: int | None
    last_error: int
    caught: SqlError | None

    @property
    def transaction_count(self) -> int:
        """How many transactions are open, one in the other."""
        ...


@dataclasses.dataclass(frozen=True)
class SystemValue:
    """A value's type and how it is found.

    Attributes:
        type: The value's type.
        read: Finds the value, from the session and the arguments as text.
        arguments: The arguments: texts, variables, other system values, None for NULL.
        takes_null: Whether it has an answer if an argument is NULL.
    """

    type: SqlType
    read: Callable[..., Any]
    arguments: "Sequence[str | exp.Parameter | SystemValue | None]" = ()
    takes_null: bool = False

    def find(self, session: Session, variables: Variables) -> Any:
        """Return the value that holds now; NULL if an argument is.

        Raises:
            SqlError: 137 for an undeclared variable.
        """
        values = [_value(argument, session, variables) for argument in self.arguments]
        if None in values and not self.takes_null:
            return None
        return self.read(session, *values)


def _value(
    argument: str | exp.Parameter | SystemValue | None, session: Session, variables: Variables
) -> str | None:
    found: Any = argument
    if isinstance(argument, exp.Parameter):
        found = find_variable(argument.name, variables).value
    elif isinstance(argument, SystemValue):
        found = argument.find(session, variables)
    return None if found is None else str(found)


def variable(name: str) -> SystemValue:
    """Return what an @@variable stands for.

    Raises:
        SqlError: 40000 for one that the emulator does not play.
    """
    found = _VARIABLES.get(name.lower())
    if found is None:
        raise not_played(f"the variable @@{name.upper()}")
    return found


def function(name: str, arguments: Sequence[exp.Expression]) -> SystemValue | None:
    """Return what a function of the session stands for; None if it is another function.

    Raises:
        SqlError: 40000 where an argument is no literal, no variable and no such function.
    """
    found = _FUNCTIONS.get(name.lower())
    if found is None:
        return None
    sql_type, read = found
    texts = [_argument(name, argument) for argument in arguments]

    def counted(session: Session, *values: str) -> Any:
        try:
            return read(session, *values)
        except TypeError:
            raise SqlError(
                174,
                f"The {name.lower()} function was given {len(values)} argument(s).",
                severity=15,
            ) from None

    return SystemValue(sql_type, counted, texts, takes_null=name.lower() == "has_perms_by_name")


def now() -> dt.datetime:
    """Return the server's time; its clock runs on UTC."""
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def _argument(name: str, argument: exp.Expression) -> str | exp.Parameter | SystemValue | None:
    if isinstance(argument, exp.Null):
        return None
    if isinstance(argument, exp.Anonymous):
        inner = function(argument.name, argument.expressions)
        if inner is not None:
            return inner
    if isinstance(argument, exp.National | exp.Literal | exp.Column):
        return str(argument.name)
    if isinstance(argument, exp.Parameter) and not isinstance(argument.this, exp.Parameter):
        return argument
    raise not_played(f"{name.upper()} of anything but a literal or a variable")


def _object_id(session: Session, name: str, kind: str = "") -> int | None:
    parts = [part.strip('[]"') for part in name.split(".")]
    database, schema, table = ["", "", *parts][-3:]
    if table.startswith("#"):
        database = ""
    found = session.namespace.find(table, schema, database)
    if found is None:
        return None
    wanted = kind.strip().upper()
    actual = "V" if found.definition is not None else "U"
    return found.object_id if not wanted or wanted == actual else None


def _played_property(_: Session, name: str) -> str:
    if name.lower() != "cnstisclustkey":
        raise not_played(f"OBJECTPROPERTY of {name}")
    return name


def _database_id(session: Session, name: str = "") -> int | None:
    names = [known.lower() for known in session.namespace.catalog.databases()]
    wanted = (name or session.namespace.database).lower()
    if wanted not in names:
        return None
    return names.index(wanted) + 1 if wanted in SYSTEM_DATABASES else names.index(wanted) + 3


def _of_caught(session: Session, attribute: str) -> Any:
    """Return what is known of the error that the current CATCH handles, NULL outside one."""
    return getattr(session.caught, attribute, None)


def _row_versions(session: Session) -> RowVersions:
    return session.namespace.catalog.row_versions(session.namespace.database)


def _has_permission(
    session: Session, securable: str | None, kind: str | None, permission: str
) -> int | None:
    """Answer HAS_PERMS_BY_NAME; NULL where there is no such class or securable."""
    asked = (kind or "SERVER").upper()
    if asked == "SERVER":
        return int(session.namespace.permissions.is_owner or permission.upper() == "CONNECT SQL")
    if not is_securable(asked):
        return None
    granted = granted_on(securable, asked, session.namespace)
    if granted is None:
        return 0 if asked == "OBJECT" else None
    return int(permission.upper() in granted or (permission.upper() == "ANY" and bool(granted)))


def _is_member(session: Session, role: str, _principal: str = "") -> int | None:
    found = session.namespace.permissions.is_member(role)
    return None if found is None else int(found)


def _user_name(session: Session, *_ids: str) -> str:
    """Owners of databases are the user dbo there."""
    return DEFAULT_SCHEMA if session.namespace.permissions.is_owner else session.login


def _utc(_: Session) -> dt.datetime:
    return now()


def _with_offset(_: Session) -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


_DATETIME2 = SqlType("datetime2", scale=7)

_VARIABLES: dict[str, SystemValue] = {
    "version": SystemValue(nvarchar(300), lambda _: _BANNER),
    "servername": SystemValue(_SYSNAME, lambda _: SERVER_NAME),
    "servicename": SystemValue(_SYSNAME, lambda _: "MSSQLSERVER"),
    "spid": SystemValue(SqlType("smallint"), lambda session: session.session_id),
    "trancount": SystemValue(INT, lambda session: session.transaction_count),
    "rowcount": SystemValue(INT, lambda session: session.row_count),
    "error": SystemValue(INT, lambda session: session.last_error),
    "identity": SystemValue(
        SqlType("decimal", precision=38), lambda session: session.last_identity
    ),
    "dbts": SystemValue(_BINARY_8, lambda session: _row_versions(session).last),
    "language": SystemValue(_SYSNAME, lambda _: "us_english"),
    "datefirst": SystemValue(SqlType("tinyint"), lambda _: 7),
    "max_precision": SystemValue(SqlType("tinyint"), lambda _: 38),
    "lock_timeout": SystemValue(INT, lambda _: -1),
    "microsoftversion": SystemValue(INT, lambda _: VERSION[0] << 24 | VERSION[2]),
    "options": SystemValue(INT, lambda _: 5496),
}

_FUNCTIONS: dict[str, tuple[SqlType, Callable[..., Any]]] = {
    "getdate": (DATETIME, _utc),
    "getutcdate": (DATETIME, _utc),
    "sysdatetime": (_DATETIME2, _utc),
    "sysutcdatetime": (_DATETIME2, _utc),
    "sysdatetimeoffset": (SqlType("datetimeoffset", scale=7), _with_offset),
    "db_name": (_SYSNAME, lambda session: session.namespace.database),
    "db_id": (SqlType("smallint"), _database_id),
    "schema_name": (_SYSNAME, lambda _, *_ids: DEFAULT_SCHEMA),
    "schema_id": (INT, lambda _, *_names: 1),
    "suser_sname": (_SYSNAME, lambda session: session.login),
    "suser_name": (_SYSNAME, lambda session: session.login),
    "original_login": (_SYSNAME, lambda session: session.login),
    "system_user": (_SYSNAME, lambda session: session.login),
    "user_name": (_SYSNAME, _user_name),
    "session_user": (_SYSNAME, _user_name),
    "host_name": (_SYSNAME, lambda session: session.host),
    "app_name": (_SYSNAME, lambda session: session.application),
    "object_id": (INT, _object_id),
    PLAYED_PROPERTY: (_SYSNAME, _played_property),
    "scope_identity": (
        SqlType("decimal", precision=38),
        lambda session: session.last_identity,
    ),
    "error_number": (INT, lambda session: _of_caught(session, "number")),
    "error_message": (nvarchar(4000), lambda session: _of_caught(session, "message")),
    "error_severity": (INT, lambda session: _of_caught(session, "severity")),
    "error_state": (INT, lambda session: _of_caught(session, "state")),
    "error_procedure": (_SYSNAME, lambda _: None),
    "xact_state": (SqlType("smallint"), lambda session: int(session.transaction_count > 0)),
    "min_active_rowversion": (
        _BINARY_8,
        lambda session: _row_versions(session).lowest_active,
    ),
    "serverproperty": (
        _SYSNAME,
        lambda _, name: _SERVER_PROPERTIES.get(name.lower()),
    ),
    "databasepropertyex": (
        _SYSNAME,
        lambda _, _database, name: {
            "collation": "SQL_Latin1_General_CP1_CI_AS",
            "status": "ONLINE",
            "updateability": "READ_WRITE",
        }.get(name.lower()),
    ),
    "has_dbaccess": (
        INT,
        lambda session, name: int(_database_id(session, name) is not None),
    ),
    "has_perms_by_name": (INT, _has_permission),
    "is_member": (INT, _is_member),
    "is_rolemember": (INT, _is_member),
    "sessionproperty": (
        INT,
        lambda _, name: _SESSION_PROPERTIES.get(name.lower()),
    ),
    "connectionproperty": (
        _SYSNAME,
        lambda _, name: _CONNECTION_PROPERTIES.get(name.lower()),
    ),
    "is_srvrolemember": (INT, lambda _session, *_arguments: 0),
}
