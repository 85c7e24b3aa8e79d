"""Errors that a fault rule can ask for by their number: text, severity and state.

Sources: "Database Engine events and errors" (the texts of sys.messages), "Troubleshoot transient
connection errors in SQL Database and SQL Managed Instance". States that vary are those most often
reported; names in the texts are made up.
"""

import re
from collections.abc import Iterator

from submitter.emulator.sqlserver.errors import SqlError

# Number, severity, state, text; an indented line goes on with the text above it.
_TRANSIENT = """
615   21 1  Could not find database table ID 5, name 'database'.
926   14 1  Database 'database' cannot be opened. It has been marked SUSPECT by recovery. See the
    SQL Server errorlog for more information.
1204  19 4  The instance of the SQL Server Database Engine cannot obtain a LOCK resource at this
    time. Rerun your statement when there are fewer active users.
1205  13 51 Transaction (Process ID 60) was deadlocked on lock resources with another process and
    has been chosen as the deadlock victim. Rerun the transaction.
1222  16 51 Lock request time out period exceeded.
3960  16 2  Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot
    isolation to access table 'dbo.t' directly or indirectly in database 'database' to update,
    delete, or insert the row that has been modified or deleted by another transaction. Retry the
    transaction or change the isolation level for the update/delete statement.
4060  11 1  Cannot open database "database" requested by the login. The login failed.
4221  16 1  Login to read-secondary failed due to long wait on
    'HADR_DATABASE_WAIT_FOR_TRANSITION_TO_VERSIONING'. The replica is not available for login
    because row versions are missing for transactions that were in-flight when the replica was
    recycled.
8628  17 0  A time out occurred while waiting to optimize the query. Rerun the query.
8645  17 1  A timeout occurred while waiting for memory resources to execute the query in resource
    pool 'default' (2). Rerun the query.
8651  17 1  Could not perform the operation because the requested memory grant was not available
    in resource pool 'default' (2). Rerun the query, reduce the query load, or check resource
    governor configuration setting.
10928 20 1  Resource ID: 1. The request limit for the database is 60 and has been reached. For
    more information, see http://go.microsoft.com/fwlink/?LinkId=267637.
10929 20 1  Resource ID: 1. The request minimum guarantee is 0, maximum limit is 60 and the
    current usage for the database is 58. However, the server is currently too busy to support
    requests greater than 58 for this database. See http://go.microsoft.com/fwlink/?LinkId=267637
    for assistance. Otherwise, please try again later.
40143 17 1  The service has encountered an error processing your request. Please try again.
40197 17 1  The service has encountered an error processing your request. Please try again. Error
    code 40020.
40501 20 1  The service is currently busy. Retry the request after 10 seconds. Incident ID:
    0a1b2c3d-0000-0000-0000-000000000000. Code: 131075.
40540 16 1  The service has encountered an error processing your request. Please try again.
40613 17 1  Database 'database' on server 'server' is not currently available. Please retry the
    connection later. If the problem persists, contact customer support, and provide them the
    session tracing ID of '{0A1B2C3D-0000-0000-0000-000000000000}'.
49918 16 1  Cannot process request. Not enough resources to process request. The service is
    currently busy. Please retry the request later.
49919 16 1  Cannot process create or update request. Too many create or update operations in
    progress for subscription "0". The service is busy processing multiple create or update
    requests for your subscription or server. Requests are currently blocked for resource
    optimization. Wait until pending create or update requests are complete, or delete one of your
    pending create or update requests, and retry your request later.
49920 16 1  Cannot process request. Too many operations in progress for subscription "0". The
    service is busy processing multiple requests for this subscription. Requests are currently
    blocked for resource optimization. Wait until pending requests are complete, or delete one of
    your pending requests, and retry your request later.
"""
_REFUSALS = """
208   16 1  Invalid object name 'dbo.t'.
229   14 5  The SELECT permission was denied on the object 't', database 'database', schema 'dbo'.
916   14 2  The server principal "login" is not able to access the database "database" under the
    current security context.
3906  16 2  Failed to update database "database" because the database is read-only.
18456 14 1  Login failed for user 'login'.
18470 14 1  Login failed for user 'login'. Reason: The account is disabled.
18486 14 1  Login failed for user 'login' because the account is currently locked out. The system
    administrator can unlock it.
18487 14 1  Login failed for user 'login'. Reason: The password of the account has expired.
18488 14 1  Login failed for user 'login'. Reason: The password of the account must be changed.
40532 16 1  Cannot open server "server" requested by the login. The login failed.
40544 17 2  The database 'database' has reached its size quota. Partition or delete data, drop
    indexes, or consult the documentation for possible resolutions.
40615 14 1  Cannot open server 'server' requested by the login. Client with IP address '192.0.2.7'
    is not allowed to access the server. To enable access, use the Azure Management Portal or run
    sp_set_firewall_rule on the master database to create a firewall rule for this IP address or
    address range. It may take up to five minutes for this change to take effect.
"""
_ROW = re.compile(r"^(\d+) +(\d+) +(\d+) +(.+?)(?=^\d|\Z)", re.MULTILINE | re.DOTALL)


def known_error(
    number: int,
    *,
    message: str | None = None,
    severity: int | None = None,
    state: int | None = None,
) -> SqlError:
    """Return an error by its number; what is not given is the server's own."""
    usual = _KNOWN.get(number) or SqlError(number, f"Error {number}, as a fault rule asked.")
    return SqlError(
        number,
        usual.message if message is None else message,
        severity=usual.severity if severity is None else severity,
        state=usual.state if state is None else state,
    )


def _read(table: str) -> Iterator[tuple[int, SqlError]]:
    for number, severity, state, text in _ROW.findall(table):
        message = " ".join(text.split())
        yield int(number), SqlError(int(number), message, severity=int(severity), state=int(state))


_KNOWN = {**dict(_read(_TRANSIENT)), **dict(_read(_REFUSALS))}
