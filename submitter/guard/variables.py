"""Which variables hold a credential, by their name or by what they hold."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from remote_entry.marked_yaml import KeyPath
from remote_entry.settings import FROM_WORKSPACE_SUFFIX
from remote_entry.settings.credentials import looks_like_credential as names_a_credential
from submitter.guard.placeholders import is_gap, is_placeholder, unbraced

# A user's password in a URL, or in a connection string of ODBC, ADO.NET or Azure Storage.
_CREDENTIAL_VALUE = re.compile(
    r"://[^/\s:@]*:([^/\s@]+)@"
    r"|\b(?:pwd|password|accountkey|sharedaccesskey)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]+)",
    re.IGNORECASE,
)
# AZURE_SECRET_<LABEL> and AZURE_SECRET_<LABEL>_VERSION name a secret; they do not hold one.
_REFERENCE_NAME = re.compile(rf"AZURE_SECRET_.+|.+{FROM_WORKSPACE_SUFFIX}")
MASK = "••••••"


def looks_like_credential(name: str) -> bool:
    """Tell whether a variable of this name would hold a credential, not the name of one."""
    return not _REFERENCE_NAME.fullmatch(name) and names_a_credential(name)


def holds_credential(name: str, value: str) -> bool:
    """Tell whether a text of this name holds a credential, by its name or by what it is."""
    if looks_like_credential(name):
        return not is_gap(value)
    return any(not is_placeholder(unbraced(inner)) for inner in credentials_inside(value))


def credentials_inside(value: str) -> list[str]:
    """Return the passwords and keys of the URLs and connection strings in a text."""
    return [(found[1] or found[2]).strip() for found in _CREDENTIAL_VALUE.finditer(value)]


def shown(name: str, value: str) -> str:
    """Return a text as it may be shown: masked if it holds a credential."""
    return MASK if holds_credential(name, value) else value


def texts_in(data: Any, keys: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text of nested mappings and lists, with the keys that lead to it."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from texts_in(value, (*keys, key))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from texts_in(value, (*keys, index))
    elif data is not None:
        yield keys, str(data)
