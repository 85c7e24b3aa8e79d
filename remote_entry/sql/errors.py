"""Driver errors → what happened, where, and the next step, by SQL Server's own error number.

The exception's class says little: pyodbc raises ProgrammingError for a database that is paused and
InterfaceError for a wrong password. The native number is in the message, as in
``…Login failed for user 'x'. (18456) (SQLDriverConnect)``.
"""

import re
from dataclasses import dataclass

from remote_entry.errors import SqlError
from remote_entry.masking import Masker

LONGEST_QUOTE = 300

_NATIVE_NUMBER = re.compile(r"\((-?\d+)\) \(SQL")
# Of a row, as in: Conversion failed when converting the varchar value 'x' to data type int.
_VALUE = re.compile(r"(\bvalue:?) '.*'|(?<=key value is) \(.*\)", re.DOTALL)
_DRIVER_PREFIXES = re.compile(r"^(\[[^\]]*\]\s*)+")


@dataclass(frozen=True)
class Condition:
    """One condition that can be told apart.

    Attributes:
        kind: The word that follows ``sql.``.
        summary: What happened.
        hint: What to do next.
        transient: Whether Microsoft documents that it passes by itself.
    """

    kind: str
    summary: str
    hint: str
    transient: bool = False


def _passing(summary: str) -> Condition:
    """Return a condition that goes away by itself."""
    return Condition("unavailable", summary, "try again in some minutes", transient=True)


# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
CONDITIONS = {
    18456: Condition(
        "login-failed",
        "the server refused the user name or the password (it does not say which)",
        "compare the secrets' values with the login; one attempt was made, so that it is not "
        "locked",
    ),
    18452: Condition(
        "login-failed", "the server takes no SQL logins from here", "use a login it accepts"
    ),
    18486: Condition(
        "login-locked",
        "the login is locked: there were too many attempts with a wrong password",
        "correct the password's secret first, then have the login unlocked",
    ),
    18487: Condition(
        "password-expired", "the login's password has expired", "change it, and the secret with it"
    ),
    18488: Condition(
        "password-expired", "the login's password must be changed", "change it, and the secret too"
    ),
    18470: Condition("login-disabled", "the login is disabled", "have it enabled, or use another"),
    4060: Condition(
        "database-refused",
        "the server does not open the database for this login",
        "check SQL_DATABASE, and that the login has a user in it",
    ),
    40615: Condition(
        "firewall",
        "the server's firewall does not let this address in",
        "allow the compute's network in the server's 'Networking'",
    ),
    40914: Condition(
        "firewall",
        "the server's firewall does not let this virtual network in",
        "add a rule for the compute's subnet to the server's 'Networking'",
    ),
    615: _passing("the database's files move"),
    926: _passing("the database is recovering"),
    4221: _passing("a readable replica is not ready for logins"),
    10928: _passing("the database's limit of workers or sessions is reached"),
    10929: _passing("the server is too busy for this database"),
    40197: _passing("the service failed over while it handled the request"),
    40501: _passing("the service is busy and throttles"),
    40613: _passing("the database is paused or moves"),
    49918: _passing("the server lacks resources for the request"),
    49919: _passing("the server handles too many changes at once"),
    49920: _passing("the server handles too many operations at once"),
    8645: _passing("the server had no memory for the query in time"),
    1205: Condition(
        "deadlock",
        "the server chose the query as the victim of a deadlock",
        "try again; if it stays, read with snapshot isolation",
        transient=True,
    ),
    1222: Condition(
        "lock-timeout",
        "another session held a lock for longer than LOCK_TIMEOUT allows",
        "try again when the other session is done",
        transient=True,
    ),
    3960: Condition(
        "snapshot-conflict",
        "another session changed the rows that this snapshot transaction wanted to change",
        "run the whole transaction again",
        transient=True,
    ),
    229: Condition(
        "permission-denied",
        "the login may not do that",
        "grant its database user what the query needs, or query something else",
    ),
}

# What is wrong with a query, and never ends a session.
QUERY_CONDITIONS = {
    102: Condition("syntax", "the query is no T-SQL", "correct it where the server points"),
    207: Condition(
        "no-such-column", "a column is not there", "check its spelling, and the table's columns"
    ),
    208: Condition(
        "no-such-table",
        "the database has no such table or view, or the login may not see it",
        "check its name with the schema, SQL_DATABASE, and what the login is granted",
    ),
    3952: Condition(
        "snapshot-off",
        "the database does not allow snapshot isolation",
        "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or read with another isolation level",
    ),
}

UNTRUSTED_CERTIFICATE = Condition(
    "tls",
    "its TLS certificate is not trusted or the handshake failed",
    "add the server's CA to the image (SSL_CERT_FILE names a bundle); SQL_SERVER must be the "
    "host name in the certificate",
)
DRIVER_NOT_LOADED = Condition(
    "driver-missing",
    "the ODBC driver or a library that it needs could not be loaded",
    "add libodbc2, libgssapi-krb5-2 and libkrb5-3 to the environment's Dockerfile",
)
NO_SUCH_HOST = Condition(
    "dns", "its name does not resolve", "check the spelling of SQL_SERVER and the network's DNS"
)
UNREACHABLE = Condition(
    "unreachable",
    "the connection was refused, or nobody is there",
    "check host and port of SQL_SERVER, and firewalls between the compute and the server",
)
NO_LOGIN_IN_TIME = Condition(
    "login-timeout",
    "the server did not finish the login in time, as a paused database does while it wakes up",
    "try again in a minute; if it stays, look at the server's health",
    transient=True,
)
BROKEN_OFF = Condition(
    "connection-lost",
    "the connection broke off",
    "try again; if it stays, check the network",
    transient=True,
)
QUERY_TIMEOUT = Condition(
    "query-timeout",
    "the query did not answer within REMOTE_ENTRY_SQL_QUERY_SECONDS",
    "raise or remove that limit, or have the query looked at",
)
UNKNOWN = Condition("failed", "", "see what the driver said")

_BY_TEXT = (
    (re.compile(r"certificate|SSL Provider|TLS|[Ee]ncryption"), UNTRUSTED_CERTIFICATE),
    (re.compile(r"Can't open lib|Data source name not found|file not found"), DRIVER_NOT_LOADED),
    (re.compile(r"Name or service not known|getaddrinfo|No such host"), NO_SUCH_HOST),
    (re.compile(r"refused|TCP Provider.*0x27|error code 0x2AF9"), UNREACHABLE),
    (re.compile(r"[Ll]ogin timeout"), NO_LOGIN_IN_TIME),
)


def explain_sql(error: Exception, *, what: str, masker: Masker) -> SqlError:
    """Return the error behind a driver's exception.

    Args:
        error: What pyodbc raised: SQLSTATE and message are its arguments.
        what: What failed and where, to begin the message with.
        masker: Takes the login's name out of what the server said.

    Returns:
        An error with the server's own words, secrets masked.
    """
    state, text = _state_and_text(error)
    # In a connection failure (class 08) the number is the operating system's.
    number = None if state.startswith("08") else _native_number(text)
    condition = _condition(state, text, number)
    said = _DRIVER_PREFIXES.sub("", masker.mask_text(_VALUE.sub(r"\1 …", text)))[:LONGEST_QUOTE]
    failed = f"{what}: {condition.summary}" if condition.summary else what
    return SqlError(
        f"{failed}\n  Driver said: {said}",
        kind=f"sql.{condition.kind}",
        hint=condition.hint,
        number=number,
        transient=condition.transient,
    )


def may_have_ended_session(error: BaseException) -> bool:
    """Tell whether the server may have closed the connection after an error of its own.

    The driver reports those of class 20 and above as HY000, and says nothing of the class.
    """
    if not isinstance(error, Exception):
        return False
    state, text = _state_and_text(error)
    number = _native_number(text)
    return number is not None and (state == "HY000" or number in CONDITIONS)


def _state_and_text(error: Exception) -> tuple[str, str]:
    """Return SQLSTATE and message of a DBAPI error."""
    arguments = [str(argument) for argument in error.args]
    if len(arguments) > 1:
        return arguments[0], arguments[1]
    return "", " ".join(arguments)


def _native_number(text: str) -> int | None:
    """Return the server's error number; 0 and negative numbers are the driver's."""
    match = _NATIVE_NUMBER.search(text)
    number = int(match[1]) if match else 0
    return number if number > 0 else None


def _condition(state: str, text: str, number: int | None) -> Condition:
    """Return what a number says, or else what the text says, or else what the state says."""
    for conditions in (CONDITIONS, QUERY_CONDITIONS):
        if number in conditions:
            return conditions[number]
    if state == "HYT00" and "Query timeout" in text:
        return QUERY_TIMEOUT
    if state == "08S01":  # communication link failure: there was a connection
        return BROKEN_OFF
    if state.startswith("08") or state in {"HYT00", "01000", "IM002", "IM004"}:
        for pattern, condition in _BY_TEXT:
            if pattern.search(text):
                return condition
        return UNREACHABLE
    return UNKNOWN
