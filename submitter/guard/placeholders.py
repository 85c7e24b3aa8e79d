"""What stands where a credential would stand, and is none: a gap to fill, a variable, an example.

`<password>`, `${DB_PWD}`, `{password}`, `***`, `changeme`: whoever reads them learns nothing.
"""

import hashlib
import math
import re
from collections import Counter

_GAP = re.compile(
    r"""
      <.*>?                                # <password>
    | \[.*\]?                              # [password]
    | \$.*                                 # ${DB_PWD}, $DB_PWD, $(cat file), $env:PWD
    | %[\w.]*%?.{0,2}                      # %DB_PWD%, %s, %(password)s
    | %\(.*
    | \{+\s*[\w.]*([!:(\[][^{}]*)?\s*\}+     # {password}, {0}, {quote(password)}, {{ password }}
    | \{\{.*                               # a template's
    | @Microsoft\.KeyVault.*               # an app setting's reference
    | [*•….xX_?\#~=-]*                      # ***, xxxx, ...
    | (?P<one>.)(?P=one)*                               # 000000
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = (
    *("access", "admin", "api", "app", "azure", "bar", "baz", "change", "client", "credential"),
    *("credentials", "database", "db", "default", "demo", "dummy", "empty", "enter", "example"),
    *("fake", "false", "foo", "goes", "hidden", "here", "in", "insert", "is", "it", "key", "login"),
    *("masked", "me", "my", "new", "no", "none", "not", "null", "odbc", "of", "old", "pass"),
    *("passphrase", "passwd", "password", "personal", "pg", "placeholder", "private", "pw", "pwd"),
    *("qux", "real", "redacted", "removed", "replace", "root", "sample", "secret", "set", "some"),
    *("sql", "server", "str", "string", "super", "test", "the", "this", "to", "todo", "token"),
    *("true", "undefined", "user", "username", "value", "with", "your", "yours", "a", "an", "and"),
)
_ONLY_WORDS = re.compile(
    rf"(?:(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})[-_ .]*)+[\d!]{{0,4}}",
    re.IGNORECASE,
)
# Where the text says so itself, or counts and repeats as no generator does.
_SAYS_SO = re.compile(
    r"example|placeholder|change[-_]?me|redacted|dummy|your[-_]|([^\s])\1{7}|x{6}|abcdefgh|12345678",
    re.IGNORECASE,
)
_KEBAB_NAME = re.compile(r"[a-z]+([-_.][a-z]+)+([-_.]?[a-z]?\d{1,4})?|[A-Z]+(_[A-Z\d]+)+")
_NAME_IN_BRACES = re.compile(r"\{+[A-Za-z_.]*\}+|\{\d\}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Published by their makers for everybody to use.
_PUBLISHED = frozenset(
    {
        "0011cc25eb4320717494d2703e8cba85",  # Azurite and the storage emulator: account key
        "aa6547439583c3a275d4542a0df6c1ad",  # Cosmos DB emulator: account key
        "7f75367e7881255134e1375e723d1dea",  # jwt.io: the token that its page opens with
    }
)


def is_gap(value: str) -> bool:
    """Tell whether nothing stands in a credential's place, or what is to be filled in there."""
    return bool(_GAP.fullmatch(value.strip()))


def unbraced(value: str) -> str:
    """Return what ODBC means by a value in braces, `{a;b}}c}`: `a;b}c`.

    Braces around a bare name are no quotes but a gap of a format string, and stay.
    """
    if not value.startswith("{") or _NAME_IN_BRACES.fullmatch(value):
        return value
    return value.removeprefix("{").removesuffix("}").replace("}}", "}")


def is_placeholder(value: str) -> bool:
    """Tell whether a text in a credential's place is none.

    Args:
        value: The text, without the quotes around it.
    """
    value = value.strip().strip("\"'`\\").strip()
    return bool(
        _GAP.fullmatch(value)
        or _ONLY_WORDS.fullmatch(value)
        or _SAYS_SO.search(value)
        or _digest(value) in _PUBLISHED
    )


def is_name(value: str) -> bool:
    """Tell whether a text reads as the name of something: `sql-password-2`, `DB_PASSWORD`."""
    return bool(_KEBAB_NAME.fullmatch(value) or _UUID.fullmatch(value))


def bits_per_character(value: str) -> float:
    """Return Shannon's entropy of a text: about 4 for what a generator made, 3 for words."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:32]
