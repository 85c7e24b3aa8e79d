"""What a training script calls; each process resolves its secrets once, on first use."""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remote_entry.access_token import AccessToken
from remote_entry.errors import RemoteEntryError, SettingsError
from remote_entry.flush import flush_run_at_exit
from remote_entry.resolve import resolve
from remote_entry.secret import Secret
from remote_entry.settings import FROM_WORKSPACE_SUFFIX, SqlSettings
from remote_entry.settings.references import PREFIX
from remote_entry.supervision.handover import Bundle, read_bundle
from remote_entry.supervision.tokens import find_storage_token_source, find_token_source
from remote_entry.uncaught import report_uncaught_errors

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection, Engine

    from remote_entry.azure.vault import SecretCache
    from remote_entry.reading.batches import Batches
    from remote_entry.sql.database import Database

_log = logging.getLogger("remote_entry")


def get_secret(label_or_name: str | int) -> Secret:
    """Return a secret of this run.

    Args:
        label_or_name: The label (``2``, ``"SQL_PASSWORD"``), the variable
            (``"AZURE_SECRET_2"``, ``"API_KEY"`` for ``API_KEY_FROM_WORKSPACE``) or the secret's
            name in its vault. A variable from the workspace goes before a label of the same name.

    Returns:
        The secret; ``.value`` is its text.

    Raises:
        SettingsError: No variable names such a secret, or several do with different versions.
        RemoteEntryError: The secrets could not be read; a subclass says why.
    """
    wanted = str(label_or_name)
    bundle = _PROCESS.access().bundle
    known = (*bundle.workspace, *bundle.secrets)
    for secret in known:
        if wanted in {secret.reference.label, secret.reference.variable}:
            return secret
    named = [secret for secret in known if secret.reference.name == wanted]
    if len({(secret.value, secret.version) for secret in named}) == 1:
        return named[0]
    raise _no_such_secret(wanted, bundle, ambiguous=bool(named))


def connect() -> "Engine":
    """Return a SQLAlchemy engine on the run's SQL Server; the same one each time.

    Returns:
        An engine with a pool of encrypted connections, one of them already open.

    Raises:
        SettingsError: The server or its secrets are not configured.
        SqlError: There is no driver, the server is out of reach or refuses the login.
        RemoteEntryError: The secrets could not be read; a subclass says why.
    """
    return _PROCESS.database().engine


def read_frame(
    sql: str,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    connection: "Engine | Connection | None" = None,
) -> "pd.DataFrame":
    """Return a query's rows as a DataFrame.

    Args:
        sql: T-SQL; ``:name`` stands for a parameter of a mapping, ``?`` for one of a sequence.
        params: Values, always bound and never pasted into the text.
        connection: An engine or an open connection, for a query that needs its transaction or its
            temporary tables; by default one of this query's own, which is faster and on which a
            text that only reads is run again after a deadlock and the like.

    Returns:
        A DataFrame whose column types follow the query's, not the data: see
        ``remote_entry.reading.frames``.

    Raises:
        SqlError: The server refused the query or went away.
        RemoteEntryError: There is no connection; a subclass says why.
    """
    from remote_entry.reading.frames import frame_of
    from remote_entry.reading.ways import FRAME_ROWS, open_given, read_own

    if connection is not None:
        return frame_of(open_given(connection, sql, params, FRAME_ROWS).read_all())
    return frame_of(read_own(_PROCESS.database(), sql, params, FRAME_ROWS))


def read_batches(
    sql: str,
    params: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    rows: int = 50_000,
    connection: "Engine | Connection | None" = None,
) -> "Batches":
    """Return a query's rows as Arrow batches, read as they are asked for.

        with read_batches("SELECT * FROM flights") as batches:
            for batch in batches:
                ...

    Args:
        sql: As for ``read_frame``.
        params: As for ``read_frame``.
        rows: How many rows a batch has at most; fewer if they are long.
        connection: As for ``read_frame``.

    Returns:
        An iterator of ``pyarrow.RecordBatch`` with a ``schema``, by the table in
        ``remote_entry.reading.result_types``; leaving its ``with`` block closes the connection.
        pyarrow, polars and DuckDB take it as a stream.

    Raises:
        SqlError: The server refused the query or went away; in mid-stream as well, so rows that
            are missing never look like the end.
        RemoteEntryError: There is no connection; a subclass says why.
    """
    from remote_entry.reading.ways import open_given, open_own

    if connection is not None:
        return open_given(connection, sql, params, rows)
    return open_own(_PROCESS.database(), sql, params, rows)


def storage_token_source() -> Callable[[], AccessToken]:
    """Return what fetches a new access token of this run's identity for blob storage.

    Raises:
        SettingsError: STORAGE_AUTH does not ask for such tokens.
        RemoteEntryError: The secrets could not be read; a subclass says why.
    """
    source = _PROCESS.access().storage_token
    if source is None:
        raise SettingsError(
            "Blob storage needs an access token of the run's identity, and STORAGE_AUTH, which "
            "asks for such tokens, is not set",
            kind="settings.storage",
            hint="set STORAGE_AUTH to service-principal or managed-identity in the job file",
        )
    return source


@dataclass(frozen=True)
class Access:
    """What the library needs to know.

    Attributes:
        bundle: The secrets.
        sql: Where the SQL Server is.
        sql_token: Returns an access token for it; None if the login has a password.
        storage_token: Returns a new one for blob storage; None unless STORAGE_AUTH asks for it.
    """

    bundle: Bundle
    sql: SqlSettings
    sql_token: Callable[[], str] | None = None
    storage_token: Callable[[], AccessToken] | None = None


def find_access(environ: Mapping[str, str], cache: "SecretCache | None" = None) -> Access:
    """Take what a supervisor handed over, or else read the vault.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.
        cache: Secrets that this process has read already.
    """
    bundle = read_bundle(environ)
    if bundle is None:
        resolved = resolve(environ, warn=_log.warning, cache=cache)
        return Access(
            resolved.bundle, resolved.settings.sql, resolved.sql_token, resolved.storage_token
        )
    sql = SqlSettings.from_environ(environ, bundle.by_label())
    return Access(
        bundle,
        sql,
        None if sql.uses_password else find_token_source(environ),
        find_storage_token_source(environ) if environ.get("STORAGE_AUTH", "").strip() else None,
    )


class _Process:
    """What this process resolved so far.

    Errors leave it without the frames further in and without the SDK's own error: those hold the
    environment, connection strings and tokens, which tools that show local variables (pytest, rich)
    or collect errors would print.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._access: Access | None = None
        self._cache: SecretCache = {}
        # By process id: connections of a parent must not be used, nor closed, in its fork.
        self._databases: dict[int, Database] = {}

    def access(self) -> Access:
        """Resolve on the first call; a failure is not remembered, but what could be read is."""
        with self._lock:
            if self._access is None:
                report_uncaught_errors()
                try:
                    self._access = find_access(os.environ, self._cache)
                except RemoteEntryError as error:
                    raise _without_origin(error) from None
                flush_run_at_exit()
            return self._access

    def database(self) -> "Database":
        """Connect on the first call."""
        access = self.access()
        with self._lock:
            if os.getpid() not in self._databases:
                try:
                    self._databases[os.getpid()] = open_run_database(access)
                except RemoteEntryError as error:
                    raise _without_origin(error) from None
            return self._databases[os.getpid()]


def open_run_database(access: Access, *, setup: str = "") -> "Database":
    """Connect to the run's SQL Server, through connections that are tagged with the run.

    Args:
        access: Where it is, and what opens it.
        setup: T-SQL that each connection begins with.
    """
    from remote_entry.sql.database import open_database
    from remote_entry.sql.login import session_tags

    tags = session_tags(access.sql.workload, os.environ.get("AZUREML_RUN_ID", ""))
    values = {label: secret.value for label, secret in access.bundle.by_label().items()}
    return open_database(access.sql, values, tags=tags, token=access.sql_token, setup=setup)


def _without_origin(error: RemoteEntryError) -> RemoteEntryError:
    """Return an error that leads back to nothing; ``from None`` alone hides what it came from."""
    error.__context__ = None
    return error.with_traceback(None)


_PROCESS = _Process()


def _no_such_secret(wanted: str, bundle: Bundle, *, ambiguous: bool) -> SettingsError:
    """Return the error that lists what there is."""
    if ambiguous:
        return SettingsError(
            f"Several secrets or versions of the name {wanted!r} are configured",
            kind="settings.ambiguous-secret",
            hint="ask for one by its label",
        )
    known = [str(secret.reference) for secret in (*bundle.secrets, *bundle.workspace)]
    return SettingsError(
        f"No secret {wanted!r}; looked among labels, variables and names of: "
        f"{'; '.join(known) or 'none'}",
        kind="settings.unknown-secret",
        hint=f"set {PREFIX}<LABEL>, or <VARIABLE>{FROM_WORKSPACE_SUFFIX} for a secret of the "
        "workspace, to the secret's name in the job file",
    )
