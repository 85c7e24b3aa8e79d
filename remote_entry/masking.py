"""Secrets out of text: the forms in which a value shows up, and a mask for streams of bytes.

A value that is logged is often no longer the plain value: it was put into JSON, a URL, an ODBC
connection string or a header first. Values shorter than MINIMUM_LENGTH characters are not masked:
a mask for ``sa`` would make every log unreadable and hide nothing that cannot be guessed.
"""

import base64
import bisect
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MINIMUM_LENGTH = 4
MASK = b"***"

_NEVER_ESCAPED = re.compile(r"[0-9A-Za-z_.-]+")
_SAME_IN_BOTH_ALPHABETS = re.compile(r"[0-9A-Za-z]+")
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
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
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


class Masker:
    """Replaces every form of the given secrets.

    Args:
        values: The secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = sorted({form for value in values for form in secret_forms(value)})
        self._texts = [form.text for form in forms]
        self._first_bytes = frozenset(text[0] for text in self._texts)
        self._by_probe: dict[bytes, list[bytes]] = {}
        for form in forms:
            self._by_probe.setdefault(form.probe, []).append(form.text)
        self.longest = max(map(len, self._texts), default=0)

    def mask(self, content: bytes) -> bytes:
        """Return the content with every secret replaced."""
        return _replace(content, self.find(content))

    def mask_text(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return self.mask(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")

    def find(self, content: bytes) -> list[tuple[int, int]]:
        """Return where secrets are, as (start, end), in order and without overlaps."""
        found = [
            span
            for probe, texts in self._by_probe.items()
            if probe in content
            for text in texts
            for span in _occurrences(text, content)
        ]
        return _merge(found)

    def unfinished_from(self, content: bytes) -> int:
        """Return where an ending starts that may be the beginning of a secret."""
        for start in range(max(0, len(content) - self.longest + 1), len(content)):
            if content[start] in self._first_bytes and self._begins_secret(content[start:]):
                return start
        return len(content)

    def _begins_secret(self, ending: bytes) -> bool:
        """Tell whether a longer form starts with the ending."""
        index = bisect.bisect_right(self._texts, ending)
        return index < len(self._texts) and self._texts[index].startswith(ending)


class StreamMasker:
    """Masks one stream, chunk by chunk, holding back no more than it must.

    Only an ending that may be the beginning of a secret waits for the next chunk; everything
    before it can be written at once, so progress bars and prompts stay alive.

    Args:
        masker: Knows the secrets; streams may share it.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the stream and return those that are ready to be written."""
        content = self._held + chunk
        spans = self._masker.find(content)
        ready = self._masker.unfinished_from(content)
        for start, end in reversed(spans):
            # A finished secret that reaches into the unfinished ending waits with it.
            if end > ready:
                ready = min(ready, start)
        self._held = content[ready:]
        return _replace(content[:ready], [span for span in spans if span[1] <= ready])

    def flush(self) -> bytes:
        """Return what is left at the end of the stream."""
        held, self._held = self._held, b""
        return self._masker.mask(held)


def _occurrences(text: bytes, content: bytes) -> Iterator[tuple[int, int]]:
    """Yield every place of a text, overlapping ones included."""
    start = content.find(text)
    while start >= 0:
        yield start, start + len(text)
        start = content.find(text, start + 1)


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, overlapping ones joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _replace(content: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return the content with the mask in place of each span."""
    if not spans:
        return content
    pieces = []
    position = 0
    for start, end in spans:
        pieces += [content[position:start], MASK]
        position = end
    pieces.append(content[position:])
    return b"".join(pieces)
