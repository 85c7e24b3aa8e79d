"""What becomes of a value where values end up, and a search for it.

Written apart from the product's own list of forms, so that neither hides a gap of the other. It
travels into runs, so there is no secret in it.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "URL path": quote,
    "URL part": lambda value: quote(value, safe=""),
    "URL query": quote_plus,
    "HTML": html.escape,
    "braces doubled": lambda value: value.replace("{", "{{").replace("}", "}}"),
    "ODBC value": lambda value: value.replace("}", "}}"),
    "repr": lambda value: repr(value)[1:-1],
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}
"""Name → what a text becomes."""

EMBEDDED: Mapping[str, Callable[[str], str]] = {
    "in base64 after one byte": lambda value: base64.b64encode(f":{value}@host".encode()).decode(),
    "in base64 after two bytes": lambda value: base64.b64encode(f"u:{value}@h".encode()).decode(),
    "in base64 for URLs": lambda value: base64.urlsafe_b64encode(f"user:{value}".encode()).decode(),
}
"""Name → something longer that holds a text."""

ALL_ENCODINGS = {**ENCODINGS, **EMBEDDED}

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")


def encodings_of(value: str, content: bytes) -> list[str]:
    """Return the names of the encodings in which a content shows a value.

    Args:
        value: What is looked for.
        content: Where.
    """
    names = [name for name, encode in ENCODINGS.items() if encode(value).encode() in content]
    if any(value.encode() in decoded for decoded in _decoded(content)):
        names.append("in base64")
    return names


def with_lines(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return named secrets, and each line of those that have several."""
    lines = {
        f"{name}, line {number}": line
        for name, value in secrets.items()
        for number, line in enumerate(value.splitlines(), 1)
        if "\n" in value
    }
    return {**secrets, **lines}


def _decoded(content: bytes) -> list[bytes]:
    """Return everything that may be base64, decoded from each of its first four characters."""
    decoded = []
    for match in _BASE64.finditer(content.translate(bytes.maketrans(b"-_", b"+/"))):
        for start in range(4):
            text = match[0][start:]
            decoded.append(base64.b64decode(text[: len(text) // 4 * 4]))
    return decoded
