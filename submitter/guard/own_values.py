"""The values of this machine's own credential variables, in every form that they may take."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from remote_entry.secret_forms import secret_forms
from submitter.guard.placeholders import is_placeholder
from submitter.guard.variables import (
    credentials_inside,
    holds_credential,
    looks_like_credential,
    texts_in,
)

# A shorter value would be found by chance in any text.
_SHORTEST = 6
_ENVELOPE = re.compile(r"-----(BEGIN|END)[A-Z0-9 ]*-----")


def own_forms(environ: Mapping[str, str], allowed: Collection[str] = ()) -> dict[bytes, str]:
    """Return what to look for: each form of each value, and the variable that holds it.

    Args:
        environ: This machine's variables.
        allowed: Variables that the user has named: of two with one value, such a one is returned.

    Returns:
        Form → variable: plain, JSON, URL, HTML, ODBC, repr and base64, as `remote_entry` masks.
    """
    forms: dict[bytes, str] = {}
    for name, text in sorted(environ.items(), key=lambda item: (item[0] not in allowed, item)):
        if not holds_credential(name, text):
            continue
        for value in _values(name, text):
            if len(value) < _SHORTEST or is_placeholder(value) or _names_a_file(value):
                continue
            for form in secret_forms(value):
                if len(form.text) >= _SHORTEST and not _ENVELOPE.fullmatch(form.text.decode()):
                    forms.setdefault(form.text, name)
    return forms


def _values(name: str, text: str) -> Iterator[str]:
    """Yield the secrets in a variable: itself, and the passwords inside of it."""
    document = _json(text)
    if document is not None:  # such as AZURE_CREDENTIALS: not every line of it is a secret
        for keys, value in texts_in(document):
            if looks_like_credential(_snake_case(str(keys[-1]))):
                yield value
        return
    if looks_like_credential(name):
        yield text
    for inner in credentials_inside(text):
        yield inner
        yield inner.removeprefix("{").removesuffix("}").replace("}}", "}")  # as ODBC quotes


def _json(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)


def _names_a_file(value: str) -> bool:
    """Tell a path from a secret: PWD holds the shell's folder, not a password."""
    try:
        return value[0] in "/~.\\" and Path(value).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False
