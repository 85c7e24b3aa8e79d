"""Connections to one SQL Server, with a password or with an access token."""

import math
import struct
import time
from collections.abc import Callable
from typing import Any

from remote_entry.errors import SqlError
from remote_entry.masking import Masker
from remote_entry.settings.sql import DEFAULT_PATIENCE
from remote_entry.sql.errors import explain_sql
from remote_entry.sql.retry import retry_transient

LOGIN_SECONDS = 30

# https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory#authenticating-with-an-access-token
SQL_COPT_SS_ACCESS_TOKEN = 1256


class Connector:
    """Opens connections; its repr shows the server and nothing else.

    Args:
        text: The ODBC connection string.
        server: The server, for messages.
        masker: Knows the secrets in the string.
        token: Returns an access token for the server, fresh at every call; None for a password.
        patience: Seconds to keep trying while the server has a condition that passes.
        query_seconds: How long a query may take to answer; 0 for as long as it takes.
        setup: T-SQL that each connection begins with, such as its isolation level.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        text: str,
        *,
        server: str,
        masker: Masker,
        token: Callable[[], str] | None = None,
        patience: float = DEFAULT_PATIENCE,
        query_seconds: float = 0.0,
        setup: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._text = text
        self._token = token
        self._sleep = sleep
        self.server = server
        self.masker = masker
        self.patience = patience
        self.setup = setup
        self.query_seconds = math.ceil(query_seconds)  # the driver counts whole seconds

    def __repr__(self) -> str:
        return f"<Connector {self.server}>"

    @property
    def connection_string(self) -> str:
        """The ODBC connection string with the password in it: never log it, never show it."""
        return self._text

    def access_token(self) -> str | None:
        """Return the token to connect with, or None if the string has all that is needed."""
        return self._token() if self._token else None

    def __call__(self) -> Any:
        """Return a new DBAPI connection.

        Raises:
            SqlError: Refused, or still out of reach when the patience is over.
            IdentityError: There is no token.
        """
        return self.retry(self._connect)

    def retry(self, attempt: Callable[[], Any]) -> Any:
        """Do something on this server again and again, as long as what stops it is transient."""
        return retry_transient(attempt, seconds=self.patience, sleep=self._sleep)

    @property
    def login_seconds(self) -> int:
        """How long one login may take: no longer than all of them together."""
        return max(1, min(LOGIN_SECONDS, int(self.patience)))

    def explain(self, error: Exception, what: str = "") -> SqlError:
        """Return the error behind a driver's exception, secrets masked.

        Args:
            error: What the driver raised.
            what: What failed; that there is no connection, if left out.
        """
        what = what or f"No connection to SQL Server {self.server}"
        return explain_sql(error, what=what, masker=self.masker)

    def _connect(self) -> Any:
        """Make one attempt."""
        import pyodbc

        pyodbc.pooling = False  # SQLAlchemy pools: a second pool below would hide ended sessions
        token = self.access_token()
        attributes = {} if token is None else {SQL_COPT_SS_ACCESS_TOKEN: pack_token(token)}
        try:
            session = pyodbc.connect(
                self._text, timeout=self.login_seconds, attrs_before=attributes
            )
            if self.setup:
                session.execute(self.setup)
                session.commit()
        except pyodbc.Error as error:
            raise self.explain(error) from None
        session.timeout = self.query_seconds
        return session


def pack_token(token: str) -> bytes:
    """Return a token as the driver takes it: its length in bytes, then UTF-16."""
    encoded = token.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded
