"""What a login may do in a database: what it was granted, listed, and looked at before each read.

A grant is written as T-SQL has it after GRANT: `SELECT`, `SELECT ON dbo.flights`,
`SELECT ON SCHEMA::dbo`; or it is the name of a fixed role that the login is a member of.
Sources: "Permissions (Database Engine)", "Database-level roles", "sys.fn_my_permissions".
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from submitter.emulator.sqlserver.errors import SqlError

_OBJECT = (
    "SELECT", "UPDATE", "REFERENCES", "INSERT", "DELETE", "VIEW CHANGE TRACKING",
    "VIEW DEFINITION", "ALTER", "TAKE OWNERSHIP", "CONTROL",
)  # fmt: skip
_SCHEMA = ("CREATE SEQUENCE", "EXECUTE", *_OBJECT)
_DATABASE = (
    "CREATE TABLE", "CREATE VIEW", "CREATE PROCEDURE", "CREATE FUNCTION", "CREATE SCHEMA",
    "CREATE TYPE", "CREATE ROLE", "BACKUP DATABASE", "CONNECT", "SHOWPLAN", "ALTER ANY USER",
    "ALTER ANY ROLE", "ALTER ANY SCHEMA", "VIEW DATABASE STATE", "EXECUTE", "SELECT", "INSERT",
    "UPDATE", "DELETE", "REFERENCES", "VIEW DEFINITION", "ALTER", "TAKE OWNERSHIP", "CONTROL",
)  # fmt: skip
_BY_CLASS = {"DATABASE": _DATABASE, "SCHEMA": _SCHEMA, "OBJECT": _OBJECT}
_ROLES: dict[str, tuple[str, ...]] = {
    "db_owner": _DATABASE,
    "db_datareader": ("SELECT",),
    "db_datawriter": ("INSERT", "UPDATE", "DELETE"),
    "db_ddladmin": ("CREATE TABLE", "CREATE VIEW", "CREATE SCHEMA", "ALTER ANY SCHEMA"),
}
_OTHER_ROLES = (
    "db_accessadmin", "db_securityadmin", "db_backupoperator", "db_denydatareader",
    "db_denydatawriter",
)  # fmt: skip
_GRANT = re.compile(
    r"(?P<permission>[A-Za-z ]+?)(?: ON (?P<kind>(?:SCHEMA|OBJECT)::)?(?P<name>[\w.\[\]]+))?",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class _Grant:
    permission: str
    schema: str | None = None  # None is the whole database
    name: str | None = None  # None is the whole schema

    def covers(self, schema: str | None, name: str | None) -> bool:
        """Whether it reaches a schema or an object of it."""
        if self.schema is None:
            return True
        return self.schema == schema and self.name in (None, name)


class Permissions:
    """What one login may do, in all databases alike.

    Args:
        grants: What it was granted beside CONNECT; None for the owner of the databases.

    Raises:
        ValueError: A grant cannot be read.
    """

    def __init__(self, grants: Iterable[str] | None = None) -> None:
        self.is_owner = grants is None
        written = ["db_owner"] if grants is None else [*grants, "CONNECT"]
        self._roles = {grant.lower() for grant in written if grant.lower() in _ROLES}
        self._grants = [grant for text in written for grant in _read(text)]

    def listed(self, kind: str, schema: str | None = None, name: str | None = None) -> list[str]:
        """Return the permissions on a securable, as fn_my_permissions names them.

        Args:
            kind: DATABASE, SCHEMA or OBJECT.
            schema: Which schema, or that of the object.
            name: Which object.
        """
        granted = {
            grant.permission
            for grant in self._grants
            if grant.covers(_folded(schema), _folded(name))
        }
        return [
            permission
            for permission in _BY_CLASS[kind]
            if permission in granted or "CONTROL" in granted
        ]

    def is_member(self, role: str) -> bool | None:
        """Whether the login is in a role; None for a role that does not exist."""
        asked = role.lower()
        if asked == "public":
            return True
        if asked in _ROLES:
            return asked in self._roles
        return False if asked in _OTHER_ROLES else None

    def require(self, permission: str, database: str, schema: str, name: str) -> None:
        """Refuse a statement on an object that the login may not do this to.

        Raises:
            SqlError: 229.
        """
        if permission not in self.listed("OBJECT", schema, name):
            raise SqlError(
                229,
                f"The {permission} permission was denied on the object '{name}', database "
                f"'{database}', schema '{schema}'.",
                severity=14,
                state=5,
            )

    def require_definition(self, permission: str, database: str) -> None:
        """Refuse a statement that changes what exists.

        Raises:
            SqlError: 262.
        """
        if not {permission, "ALTER"} & set(self.listed("DATABASE")):
            raise SqlError(
                262, f"{permission} permission denied in database '{database}'.", severity=14
            )


def is_securable(kind: str) -> bool:
    """Whether permissions on a class of securables are played."""
    return kind in _BY_CLASS


def _read(text: str) -> Sequence[_Grant]:
    if text.lower() in _ROLES:
        return [_Grant(permission) for permission in _ROLES[text.lower()]]
    match = _GRANT.fullmatch(text.strip())
    permission = match["permission"].upper() if match else ""
    if match is None or permission not in {*_DATABASE, *_SCHEMA}:
        raise ValueError(
            f"'{text}' is no grant; write it as SELECT, SELECT ON dbo.flights, "
            f"SELECT ON SCHEMA::dbo, or one of the roles {', '.join(_ROLES)}"
        )
    if match["name"] is None:
        return [_Grant(permission)]
    parts = [part.strip("[]").lower() for part in match["name"].split(".")]
    if (match["kind"] or "").upper() == "SCHEMA::":
        return [_Grant(permission, parts[-1])]
    return [_Grant(permission, parts[-2] if len(parts) > 1 else "dbo", parts[-1])]


def _folded(name: str | None) -> str | None:
    return None if name is None else name.lower()
