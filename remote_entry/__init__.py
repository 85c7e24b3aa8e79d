"""What a training script needs inside the run: Key Vault's secrets and a SQL Server connection.

    from remote_entry import read_frame

    flights = read_frame("SELECT * FROM flights WHERE origin = :origin", {"origin": "JFK"})

``<VARIABLE>_FROM_WORKSPACE`` takes any variable's value from the workspace's own vault. Every such
value is masked in the command's output, and ``get_secret("<VARIABLE>")`` returns it; only
AZURE_CLIENT_SECRET and AZURE_SECRET_* are used up here. It also stands in the command's
environment, unless its name is that of a credential or one of SQL_USERNAME, SQL_PASSWORD and
SQL_CONNECTION_STRING, which ``connect()`` uses.

Importing this package imports no SDK and asks nobody: secrets are resolved on first use.
"""

from remote_entry.errors import (
    CommandError,
    IdentityError,
    RemoteEntryError,
    SecretFailure,
    SettingsError,
    SqlError,
    VaultError,
)
from remote_entry.library import connect, get_secret, read_batches, read_frame
from remote_entry.secret import Secret
from remote_entry.version import __version__

__all__ = [
    "CommandError",
    "IdentityError",
    "RemoteEntryError",
    "Secret",
    "SecretFailure",
    "SettingsError",
    "SqlError",
    "VaultError",
    "__version__",
    "connect",
    "get_secret",
    "read_batches",
    "read_frame",
]
