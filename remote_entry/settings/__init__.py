"""Environment variables → frozen dataclasses; no I/O and no SDK.

The laptop imports this package too, so that a job is checked before a container sees it.
"""

from remote_entry.settings.credentials import CREDENTIAL_VARIABLES
from remote_entry.settings.identity import IdentitySettings
from remote_entry.settings.references import FROM_WORKSPACE_SUFFIX, SecretReference
from remote_entry.settings.settings import Settings
from remote_entry.settings.sql import SQL_LABELS, SqlSettings

__all__ = [
    "CREDENTIAL_VARIABLES",
    "FROM_WORKSPACE_SUFFIX",
    "SQL_LABELS",
    "IdentitySettings",
    "SecretReference",
    "Settings",
    "SqlSettings",
]
