"""The forms in which a secret shows up once something was done to it.

A value that is logged is often no longer the plain value: it was put into JSON, a URL, an ODBC
connection string or a header first. Values shorter than MINIMUM_LENGTH characters have no forms:
a mask for ``sa`` would make every log unreadable and hide nothing that cannot be guessed.
"""

import base64
import html
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MINIMUM_LENGTH = 4

_NEVER_ESCAPED = re.compile(r"[0-9A-Za-z_.-]+")
_SAME_IN_BOTH_ALPHABETS = re.compile(r"[0-9A-Za-z]+")
_PERCENT_CODE = re.compile(r"%[0-9A-F]{2}")
_BASE64_BLOCK = 3


@dataclass(frozen=True, order=True)
class Form:
    """One way a secret may appear.

    Attributes:
        text: The bytes to mask.
        probe: A part of the text that several forms share; where it is absent, so are they.
    """

    text: bytes
    probe: bytes


def secret_forms(value: str) -> frozenset[Form]:
    """Return every form of one secret that is worth looking for.

    Args:
        value: The secret; each line of a multi-line secret counts as one too.

    Returns:
        Plain, JSON-escaped, URL-quoted, HTML-escaped, brace-doubled (ODBC) and base64 forms, and
        what Python shows of the text and of its bytes.
    """
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    forms: set[Form] = set()
    for part in parts:
        if len(part) >= MINIMUM_LENGTH:
            forms |= _escaped_forms(part) | _base64_forms(part)
    return frozenset(forms)


def _escaped_forms(value: str) -> set[Form]:
    """Return the forms that leave letters and digits as they are."""
    texts = {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        *_shown_by_python(value),
        *_quoted_for_url(value),
        *_escaped_for_html(value),
        value.replace("{", "{{").replace("}", "}}"),
        value.replace("}", "}}"),
    }
    encoded = {text.encode("utf-8", "surrogateescape") for text in texts}
    return _with_shared_probe(encoded, _NEVER_ESCAPED.findall(value))


def _shown_by_python(value: str) -> set[str]:
    """Return the inside of ``repr`` of a text and of its bytes.

    Python escapes a ``'`` only in a literal that also holds a ``"``, and what stands around a
    secret takes part in that: both ways are returned.
    """
    content = value.encode("utf-8", "surrogateescape")
    texts = {repr(f'"{value}')[2:-1], repr(b'"' + content)[3:-1]}
    return texts | {text.replace("\\'", "'") for text in texts}


def _quoted_for_url(value: str) -> set[str]:
    """Return what URL libraries make of a value; .NET writes its codes in lower case."""
    content = value.encode("utf-8", "surrogateescape")
    texts = {
        quote(content),
        quote(content, safe=""),
        quote(content, safe=" +"),  # SQLAlchemy's URLs
        quote_plus(content),
    }
    return texts | {_PERCENT_CODE.sub(lambda code: code[0].lower(), text) for text in texts}


def _escaped_for_html(value: str) -> set[str]:
    """Return what Python's html module, with and without quotes, and MarkupSafe write."""
    escaped = html.escape(value)
    numbered = escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    return {escaped, numbered, html.escape(value, quote=False)}


def _base64_forms(value: str) -> set[Form]:
    """Return what base64 makes of a value, alone or at any place inside something longer."""
    content = value.encode("utf-8", "surrogateescape")
    forms: set[Form] = set()
    for offset in range(_BASE64_BLOCK):
        # The first and the last character also hold bits of the neighbours: they are left out.
        first = (offset * 8 + 5) // 6
        last = (offset + len(content)) * 8 // 6
        inner = base64.b64encode(bytes(offset) + content)[first:last]
        whole = base64.b64encode(content) if offset == 0 else inner
        texts = {inner, whole, _for_url(inner), _for_url(whole)}
        forms |= _with_shared_probe(texts, _SAME_IN_BOTH_ALPHABETS.findall(inner.decode()))
    return forms


def _for_url(text: bytes) -> bytes:
    """Return base64 text in the alphabet that URLs and tokens use."""
    return text.translate(bytes.maketrans(b"+/", b"-_"))


def _with_shared_probe(texts: set[bytes], common_parts: list[str]) -> set[Form]:
    """Return forms that share their longest common part as a probe, if it is long enough."""
    longest = max(common_parts, key=len, default="")
    probe = longest.encode() if len(longest) >= MINIMUM_LENGTH else b""
    return {Form(text, probe or text) for text in texts if len(text) >= MINIMUM_LENGTH}
