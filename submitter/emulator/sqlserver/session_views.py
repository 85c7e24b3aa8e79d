"""What a session can ask about itself and its permissions in FROM.

Sources: "sys.dm_exec_sessions", "sys.dm_exec_connections", "sys.fn_my_permissions".
"""

from collections.abc import Callable, Iterator

import pyarrow as pa
from sqlglot import exp

from submitter.emulator.sqlserver.catalog import DEFAULT_SCHEMA, Namespace
from submitter.emulator.sqlserver.catalog_view import BIT, INT, SMALL, TEXT, Fields, Rows, fields
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.permissions import is_securable
from submitter.emulator.sqlserver.session_list import SessionRecord

_MOMENT = pa.timestamp("us")
_PERMISSION_FIELDS = fields(entity_name=TEXT, subentity_name=TEXT, permission_name=TEXT)


def _sessions(namespace: Namespace) -> Rows:
    for session in _visible(namespace):
        yield (
            session.session_id,
            session.started.replace(tzinfo=None),
            session.host,
            session.application,
            session.login,
            session.login,
            "running" if session.session_id == namespace.session_id else "sleeping",
            session.isolation,
            True,
        )


def _connections(namespace: Namespace) -> Rows:
    for session in _visible(namespace):
        yield session.session_id, "TCP", "TSQL", "TRUE", "SQL", "127.0.0.1"


def _visible(namespace: Namespace) -> Iterator[SessionRecord]:
    """Yield the sessions that this one may see: its own, or all with VIEW DATABASE STATE."""
    sees_all = "VIEW DATABASE STATE" in namespace.permissions.listed("DATABASE")
    for session in namespace.catalog.sessions.all():
        if sees_all or session.session_id == namespace.session_id:
            yield session


VIEWS: dict[str, tuple[Fields, Callable[[Namespace], Rows]]] = {
    "sys.dm_exec_sessions": (
        fields(
            session_id=SMALL, login_time=_MOMENT, host_name=TEXT, program_name=TEXT,
            login_name=TEXT, original_login_name=TEXT, status=TEXT,
            transaction_isolation_level=SMALL, is_user_process=BIT,
        ),
        _sessions,
    ),
    "sys.dm_exec_connections": (
        fields(
            session_id=INT, net_transport=TEXT, protocol_type=TEXT, encrypt_option=TEXT,
            auth_scheme=TEXT, client_net_address=TEXT,
        ),
        _connections,
    ),
}  # fmt: skip


def is_my_permissions(call: exp.Expression | None) -> bool:
    """Whether a function in FROM is fn_my_permissions."""
    return isinstance(call, exp.Anonymous) and call.name.lower() == "fn_my_permissions"


def my_permissions(call: exp.Anonymous, namespace: Namespace) -> tuple[Fields, Rows]:
    """Return what the caller may do with a securable.

    Raises:
        SqlError: 40000 for arguments that are no literals and for other classes of securables.
    """
    arguments = call.expressions
    if len(arguments) != 2:  # noqa: PLR2004 - securable and class
        raise SqlError(
            313,
            "An insufficient number of arguments were supplied for the procedure or function "
            "fn_my_permissions.",
        )
    literal = exp.Literal | exp.National | exp.Null
    if not all(isinstance(argument, literal) for argument in arguments):
        raise not_played("fn_my_permissions of anything but literals")
    securable, kind = (
        None if isinstance(argument, exp.Null) else str(argument.name) for argument in arguments
    )
    return _PERMISSION_FIELDS, _permission_rows(securable, (kind or "").upper(), namespace)


def _permission_rows(securable: str | None, kind: str, namespace: Namespace) -> Rows:
    if not is_securable(kind):
        raise not_played(f"permissions on the class {kind or 'SERVER'}")
    for permission in granted_on(securable, kind, namespace) or ():
        yield ("database" if kind == "DATABASE" else securable), "", permission


def granted_on(securable: str | None, kind: str, namespace: Namespace) -> list[str] | None:
    """Return the permissions on a securable; None if it is not there or shows nothing."""
    permissions = namespace.permissions
    if kind == "DATABASE":
        named = securable is None or securable.strip("[]").lower() in {
            known.lower() for known in namespace.catalog.databases()
        }
        return permissions.listed(kind) if named else None
    if securable is None:
        return None
    parts = [part.strip('[]"') for part in securable.split(".")]
    if kind == "SCHEMA":
        there = namespace.catalog.has_schema(namespace.database, parts[-1])
        return permissions.listed(kind, parts[-1]) or None if there else None
    database, schema, name = ["", "", *parts][-3:]
    found = namespace.find(name, schema, database)
    if found is None:
        return None
    return permissions.listed(kind, found.schema or DEFAULT_SCHEMA, found.name) or None
