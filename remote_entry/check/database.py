"""The second half of the way: name, port, certificate, login, query, permissions."""

from collections.abc import Callable, Mapping
from typing import Any

from remote_entry.check.hops import Step, Walk
from remote_entry.check.tls_handshake import shake_hands
from remote_entry.settings.sql import SqlSettings
from remote_entry.sql.database import prepare_connector
from remote_entry.sql.login import session_tags
from remote_entry.sql.reachability import DEFAULT_PORT, look_up, open_port

# https://learn.microsoft.com/sql/relational-databases/system-functions/sys-fn-my-permissions-transact-sql
_PERMISSIONS = "SELECT permission_name FROM sys.fn_my_permissions(NULL, 'DATABASE')"
_CHANGING = ("ALTER", "CONTROL", "CREATE", "DELETE", "EXECUTE", "INSERT", "TAKE", "UPDATE")


class WayToDatabase:
    """Goes from a server's name to a query's answer.

    Args:
        settings: Where the server is and what opens it.
        run_id: The run's id, for the server's administrators; empty outside of a run.
        token: Returns an access token, if the login has no password.
    """

    def __init__(
        self, settings: SqlSettings, *, run_id: str, token: Callable[[], str] | None
    ) -> None:
        self._settings = settings
        self._tags = session_tags(settings.workload, run_id)
        self._token = token
        self._values: Mapping[str, str] = {}
        self._excess: list[str] = []
        self._session: Any = None

    def go(self, walk: Walk, values: Mapping[str, str] | None) -> None:
        """Try each hop.

        Args:
            walk: Reports them.
            values: Label → value of the secrets; None if they could not be read.
        """
        reached = walk.chain(self._network_steps())
        steps: list[Step] = [
            ("sql login", self._log_in),
            ("sql query", self._select),
            ("sql permissions", self._list_permissions),
        ]
        if values is None or not reached:
            because = "what failed before" if values is None else "the network"
            walk.skip((name for name, _ in steps), because=because)
            return
        self._values = values
        if walk.chain(steps):
            walk.warn("sql permissions", self._excess)

    def _network_steps(self) -> list[Step]:
        """Return the hops before the login, as far as the server is known by its name and port."""
        if self._settings.connection_string_label:
            return []  # the driver alone reads that string
        if "\\" in self._settings.server:
            return []  # the driver asks SQL Server Browser for the instance's port
        return [
            ("sql dns", self._look_up),
            ("sql tcp", self._open_port),
            ("sql tls", self._shake_hands),
        ]

    def _look_up(self) -> str:
        return f"{self._settings.server} is {', '.join(look_up(self._settings.server))}"

    def _open_port(self) -> str:
        open_port(self._settings.server, self._settings.port).close()
        return f"port {self._settings.port or DEFAULT_PORT} is open"

    def _shake_hands(self) -> str:
        return str(shake_hands(self._settings.server, self._settings.port))

    def _log_in(self) -> str:
        connector = prepare_connector(
            self._settings, self._values, tags=self._tags, token=self._token
        )
        self._connector = connector
        self._session = connector()
        return connector.server

    def _select(self) -> str:
        return f"SELECT 1 gives {self._ask('SELECT 1')[0]}"

    def _list_permissions(self) -> str:
        permissions = sorted(set(self._ask(_PERMISSIONS)))
        if excess := [name for name in permissions if name.startswith(_CHANGING)]:
            listed = ", ".join(excess)
            self._excess.append(f"the login may do more than read: {listed}; SELECT is enough")
        whole = "SELECT" in permissions
        return "SELECT on the whole database" if whole else "SELECT on single objects at most"

    def _ask(self, query: str) -> list[Any]:
        """Return the first column of a query's rows."""
        import pyodbc

        try:
            return [row[0] for row in self._session.execute(query).fetchall()]
        except pyodbc.Error as error:
            raise self._connector.explain(error, "The query failed") from None
