"""A mask over secrets in bytes, and over streams of them.

How it is as fast as a log can be written, without a compiled package in the users' images: each
form of a secret (``remote_entry.secret_forms``) is looked for by the byte of it that is rarest in
the log at hand. Most of those bytes are absent, which the C library's ``memchr`` tells at gigabytes
a second, and at the few that are there a look at three bytes decides. ``make bench`` measures it.
"""

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from remote_entry.secret_forms import MINIMUM_LENGTH, Form, secret_forms

__all__ = ["MASK", "MINIMUM_LENGTH", "Masker", "StreamMasker"]

MASK = b"***"

# From common to rare in logs, as far as that can be said before one was seen; a wrong guess costs
# time and nothing else. What is not listed is rarer still.
_COMMON_FIRST = (
    b" etaoinsrhldcumfpgwybv0123456789.-:_/,=x\"kTEIASRNODLCP'()\n[]MBFUGHWjqzVYKJXQZ"
    b"{}%+*#<>@&\\|;!?$~^`\r\t"
)
_COMMONNESS = {byte: -rank for rank, byte in enumerate(_COMMON_FIRST)}

# What is rare is counted anew in a large piece of the log, after so many bytes.
_BYTES_PER_PLAN = 4 << 20
_LARGE = 16 << 10
_COUNTED = 3

# A look at one place takes as long as it takes to search so many bytes for a probe of one byte; the
# search for a longer probe is faster in proportion.
_BYTES_PER_LOOK = 70
_SAMPLED = 31
_WINDOW = 3
_BYTES = 256


@dataclass(frozen=True)
class _Probes:
    """What is looked for at one byte.

    Attributes:
        byte: The byte that all of them hold.
        known: Probe → where the byte stands in it.
        texts: The byte and those that follow it → (text to mask, where the byte stands in it).
    """

    byte: bytes
    known: dict[bytes, int] = field(default_factory=dict)
    texts: dict[bytes, list[tuple[bytes, int]]] = field(default_factory=dict)

    def add(self, form: Form, place: int) -> None:
        """Look for one more form, whose probe holds the byte at a place."""
        self.known[form.probe] = place
        window = form.probe[place : place + _WINDOW]
        in_text = form.text.find(form.probe) + place
        self.texts.setdefault(window, []).append((form.text, in_text))

    def find(self, content: bytes, sample: bytes) -> Iterator[tuple[int, int]]:
        """Yield where texts are, as (start, end), in no order."""
        if self.byte not in content:
            return
        looks = sample.count(self.byte) * _SAMPLED * _BYTES_PER_LOOK
        searches = sum(len(content) / len(probe) for probe in self.known)
        for place in self._look(content) if looks <= searches else self._search(content):
            for text, offset in self.texts[content[place : place + _WINDOW]]:
                start = place - offset
                if content.startswith(text, start):
                    yield start, start + len(text)

    def _look(self, content: bytes) -> Iterator[int]:
        """Yield places of the byte that are worth a comparison: best where the byte is rare."""
        place = content.find(self.byte)
        while place >= 0:
            if content[place : place + _WINDOW] in self.texts:
                yield place
            place = content.find(self.byte, place + 1)

    def _search(self, content: bytes) -> Iterator[int]:
        """Yield places of the byte in every probe: best where the byte is frequent."""
        for probe, offset in self.known.items():
            start = content.find(probe)
            while start >= 0:
                yield start + offset
                start = content.find(probe, start + 1)


class Masker:
    """Replaces every form of the given secrets.

    Args:
        values: The secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = sorted({form for value in values for form in secret_forms(value)})
        self._texts = [form.text for form in self._forms]
        self._beginnings = frozenset(text[:MINIMUM_LENGTH] for text in self._texts)
        self._probes = _plan(self._forms, {})
        self._bytes_since_plan = _BYTES_PER_PLAN
        self.longest = max(map(len, self._texts), default=0)

    def mask(self, content: bytes) -> bytes:
        """Return the content with every secret replaced."""
        return _replace(content, self.find(content))

    def mask_text(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return self.mask(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")

    def find(self, content: bytes) -> list[tuple[int, int]]:
        """Return where secrets are, as (start, end), in order and without overlaps."""
        if len(content) >= _LARGE:
            self._plan_again(content)
        sample = content[::_SAMPLED]
        found = (probes.find(content, sample) for probes in self._probes.values())
        return _merge([span for spans in found for span in spans])

    def _plan_again(self, content: bytes) -> None:
        """Follow what is rare in the log; threads that share the masker may both do so."""
        self._bytes_since_plan += len(content)
        if self._bytes_since_plan >= _BYTES_PER_PLAN:
            self._bytes_since_plan = 0
            self._probes = _plan(self._forms, Counter(content[::_COUNTED]))

    def unfinished_from(self, content: bytes) -> int:
        """Return where an ending starts that may be the beginning of a secret."""
        first = max(0, len(content) - self.longest + 1)
        last = max(first, len(content) - MINIMUM_LENGTH)
        for start in range(first, last):
            if content[start : start + MINIMUM_LENGTH] in self._beginnings and self._begins_secret(
                content[start:]
            ):
                return start
        for start in range(last, len(content)):
            if self._begins_secret(content[start:]):
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
        self._shown = 0

    @property
    def waiting(self) -> bool:
        """Whether `release` has something to give."""
        return len(self._held) == 1 and not self._shown

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the stream and return those that are ready to be written."""
        content = self._held + chunk
        spans = self._masker.find(content)
        ready = self._masker.unfinished_from(content)
        for start, end in reversed(spans):
            # A finished secret that reaches into the unfinished ending waits with it.
            if end > ready:
                ready = min(ready, start)
        return self._let_go(content, ready, [span for span in spans if span[1] <= ready])

    def release(self) -> bytes:
        """Return a single byte that is held back, because the stream has paused.

        With ten secrets about every third byte may begin one of their forms, and the last digit of
        a progress bar would be missing for as long as nothing follows. One byte tells nothing; the
        rest of a secret that does follow is masked.
        """
        if not self.waiting:
            return b""
        self._shown = 1
        return self._held

    def flush(self) -> bytes:
        """Return what is left at the end of the stream."""
        return self._let_go(self._held, len(self._held), self._masker.find(self._held))

    def _let_go(self, content: bytes, ready: int, spans: list[tuple[int, int]]) -> bytes:
        """Return the content up to a place, masked, without what was released; hold the rest."""
        shown, self._shown = self._shown, max(0, self._shown - ready)
        self._held = content[ready:]
        return _replace(content[:ready], spans, shown)


def _plan(forms: Iterable[Form], counts: Mapping[int, int]) -> dict[bytes, _Probes]:
    """Return by which byte to look for each form.

    Args:
        forms: What is looked for.
        counts: Byte → how often it was seen in the log.
    """
    commonness = {
        byte: (counts.get(byte, 0), _COMMONNESS.get(byte, -len(_COMMONNESS)))
        for byte in range(_BYTES)
    }
    plan: dict[bytes, _Probes] = {}
    for form in forms:
        beginnings = form.probe[: 1 - _WINDOW]
        rarest = min(beginnings, key=commonness.__getitem__)
        byte = bytes([rarest])
        plan.setdefault(byte, _Probes(byte)).add(form, beginnings.index(rarest))
    return plan


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, overlapping ones joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _replace(content: bytes, spans: list[tuple[int, int]], position: int = 0) -> bytes:
    """Return the content from a position on, with the mask in place of each span."""
    if not spans:
        return content[position:]
    pieces = []
    for start, end in spans:
        pieces += [content[position:start], MASK]
        position = end
    pieces.append(content[position:])
    return b"".join(pieces)
