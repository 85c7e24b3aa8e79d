"""No credential travels in plain view: whoever can read the workspace can read a run."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from remote_entry.settings import FROM_WORKSPACE_SUFFIX
from remote_entry.settings.credentials import looks_like_credential as names_a_credential
from submitter.errors import SecretInViewError
from submitter.marked_yaml import KeyPath

# A user's password in a URL, or in a connection string of ODBC, ADO.NET or Azure Storage.
_CREDENTIAL_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|\b(pwd|password|accountkey|sharedaccesskey)\s*=\s*[^\s;]",
    re.IGNORECASE,
)
# AZURE_SECRET_<LABEL> and AZURE_SECRET_<LABEL>_VERSION name a secret; they do not hold one.
_REFERENCE_NAME = re.compile(rf"AZURE_SECRET_.+|.+{FROM_WORKSPACE_SUFFIX}")
_MASK = "••••••"
# A shorter value would be found by chance in any text.
_SHORTEST_SEARCHED = 6


def looks_like_credential(name: str) -> bool:
    """Tell whether a variable of this name would hold a credential, not the name of one."""
    return not _REFERENCE_NAME.fullmatch(name) and names_a_credential(name)


def holds_credential(name: str, value: str) -> bool:
    """Tell whether a text of this name holds a credential, by its name or by what it is."""
    return bool(value) and (looks_like_credential(name) or bool(_CREDENTIAL_VALUE.search(value)))


def shown(name: str, value: str) -> str:
    """Return a text as it may be shown: masked if it holds a credential."""
    return _MASK if holds_credential(name, value) else value


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


def refuse_plain_text(
    variables: Mapping[str, str], where: str, allowed: Collection[str] = ()
) -> None:
    """Refuse variables that would carry a credential in clear.

    Args:
        variables: What the run, or every run in the environment, would get.
        where: Where they are written, for the message.
        allowed: Names that the user has knowingly allowed.

    Raises:
        SecretInViewError: Naming every such variable and the ways around it.
    """
    found = [
        name
        for name, value in variables.items()
        if holds_credential(name, value) and name not in allowed
    ]
    if found:
        names = ", ".join(found)
        raise SecretInViewError(
            f"{names} in {where} would be readable by everyone who can read the workspace. "
            f"Put the value into the workspace's vault (submitter secret set NAME) and write "
            f"{found[0]}{FROM_WORKSPACE_SUFFIX}: NAME instead; or, knowing this, allow it with "
            f"--allow-plaintext {found[0]}"
        )


def refuse_known_values(
    texts: Iterable[tuple[str, str]], environ: Mapping[str, str], allowed: Collection[str] = ()
) -> None:
    """Refuse texts that contain the value of one of this machine's own credential variables.

    Args:
        texts: Pairs of where a text stands and the text.
        environ: This machine's variables.
        allowed: Names of variables whose value the user has knowingly allowed to travel.

    Raises:
        SecretInViewError: Naming the text's place and the variable, not the value.
    """
    allowed_values = {environ.get(name) for name in allowed}  # which other names may hold too
    known = {
        name: value
        for name, value in environ.items()
        if len(value) >= _SHORTEST_SEARCHED
        and looks_like_credential(name)
        and value not in allowed_values
    }
    for where, text in texts:
        for name, value in known.items():
            if value in text:
                raise SecretInViewError(
                    f"{where} contains the value of {name}, and everyone who can read the "
                    "workspace could read it. Take it out; a run gets a secret by reference "
                    "(AZURE_SECRET_1: NAME), never by value."
                )
