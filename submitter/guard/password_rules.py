"""Passwords that are known by what stands before them: a key, a URL, a connection string."""

import re
from collections.abc import Iterator

from submitter.guard.placeholders import bits_per_character, is_name, is_placeholder, unbraced
from submitter.guard.rules import Rule
from submitter.guard.variables import looks_like_credential

_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\b")
_URL_LOGIN = re.compile(r"://([^\s/?#@:'\"<>`|]*):([^\s/?#@'\"<>`]+)@([\w.\-\[\]:%{$]*)")
_CODE = re.compile(r"[()\[\]\\^|*+]|\$\{?[A-Za-z_]|%\(|\{")

_STRING_KEY = r"(?:pwd|password|access\s?key|account\s?key|shared\s?access\s?key|shared\s?secret)"
_IN_STRING = re.compile(
    rf"(?P<before>^|[;\"'\s,?&])(?P<key>{_STRING_KEY})\s*=\s*"
    r"(?P<value>\{(?:[^}]|\}\})*\}+|\\?\"[^\"]*\"|'[^']*'|[^;\s\"'<>`]*<?[^;\s\"'`]*)(?P<after>;|\\?[\"']|&|\s|$)",
    re.IGNORECASE,
)
# What else a connection string says: one password alone is a line of code.
_STRING_COMPANY = re.compile(
    r"\b(server|data\s?source|driver|uid|user\s?id|user|host|addr|address|accountname|endpoint"
    r"|database|initial\s?catalog|defaultendpointsprotocol|sharedaccesskeyname|encrypt|dsn|port"
    r"|trustservercertificate|hostname|persist security info|authentication)\s*=[^;]*;"
    r"|;\s*(server|data\s?source|driver|uid|user\s?id|user|host|database|initial\s?catalog|encrypt"
    r"|endpointsuffix|trustservercertificate|entitypath|connection timeout)\s*=",
    re.IGNORECASE,
)
_FORMAT_STRING = re.compile(r"\b[rR]?[fF][rR]?[\"']|\.format\(|\.substitute|%\s*\(|\$\"|\{\{|\$'")

_KEY_WORDS = (
    r"password|passwd|pwd|passphrase|passwort|secret|token|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|storage[_-]?key|private[_-]?key|signing[_-]?key|master[_-]?key|encryption[_-]?key|pat"
)
_ASSIGNED = re.compile(
    rf"(?P<key>{_KEY_WORDS})\d?\\?[\"']?\]?\)?\s{{0,9}}"
    r"(?::\s?[\w\[\]| .]{1,40}=|:=|=>|==?|:|,)\s{0,9}[rbuf]{0,2}"
    r"\\?(?P<quote>[\"'])(?P<value>[^\"'\s\\]{6,})\\?(?P=quote)",
    re.IGNORECASE,
)
_ASSIGNED_BARE = re.compile(
    rf"^\s*(?:export\s+|set\s+|ENV\s+|ARG\s+|-\s+|\+)?(?P<key>[\w.-]{{0,60}}(?:{_KEY_WORDS}))\s*(?:=|:\s)\s*"
    r"(?P<value>[^\s\"'#,;]{6,})\s*(?:\#.*)?$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\s*(?:export\s+)?(?P<key>\w+)\s*=\s*(?P<value>\S.{3,})")
_PASSWORD_KEY = re.compile(r"(password|passwd|pwd|passphrase|passwort)$", re.IGNORECASE)
_NO_LITERAL = re.compile(r"[(){}<>\[\]]|^\$|^%|://|^[./~]|^[\w]+\.[\w.]+$|^@")
_AS_LONG_AS_A_TOKEN = 16
_AS_LONG_AS_A_PASSWORD = 8
_AS_MIXED_AS_A_TOKEN = 3.0
_AS_MIXED_AS_A_PASSWORD = 2.0


def _url_logins(text: str) -> Iterator[str]:
    for user, password, host in _URL_LOGIN.findall(text):
        local_default = user == password and _LOCAL_HOST.match(host)
        if not (is_placeholder(password) or _CODE.search(password) or local_default):
            yield password


def _string_passwords(text: str) -> Iterator[str]:
    company = bool(_STRING_COMPANY.search(text))
    for match in _IN_STRING.finditer(text):
        value, key = match["value"], match["key"].lower()
        if value.startswith("{"):
            if _FORMAT_STRING.search(text):
                continue
            value = unbraced(value)
        quoted = match["before"] in {'"', "'", ";"} and match["after"] in {";", '"', "'", '\\"'}
        alone = quoted and (match["before"] == ";" or match["after"] == ";")
        if "key" in key and len(value) < 20:  # noqa: PLR2004 - a key is base64 of 32 bytes or more
            continue
        in_query = match["before"] in {"?", "&"} and "://" in text
        if (company or alone or in_query or "key" in key) and not _is_no_value(value):
            yield value


def _is_no_value(value: str) -> bool:
    return is_placeholder(value) or bool(re.search(r"^\$|\(|\{\w*\}|^[\w.]+\.\w+\(|%s|<\w", value))


def _assigned(text: str) -> Iterator[str]:
    for match in _ASSIGNED.finditer(text):
        if _is_secret(match["key"], match["value"]):
            yield match["value"]


def _assigned_bare(text: str) -> Iterator[str]:
    match = _ASSIGNED_BARE.match(text)
    if match and _is_secret(match["key"], match["value"]):
        yield match["value"]


def _dotenv_variables(text: str) -> Iterator[str]:
    match = _VARIABLE.match(text)
    if match and looks_like_credential(match["key"]) and not is_placeholder(match["value"]):
        yield match["value"]


def _is_secret(key: str, value: str) -> bool:
    """Tell a literal secret from a name, an expression or a word, by what it is made of."""
    if is_placeholder(value) or is_name(value) or _NO_LITERAL.search(value):
        return False
    mixed = bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))
    bits = bits_per_character(value)
    if _PASSWORD_KEY.search(key):
        mixed = mixed or bool(re.search(r"[A-Za-z]", value) and re.search(r"[^\w\s.:,/-]", value))
        return mixed and len(value) >= _AS_LONG_AS_A_PASSWORD and bits > _AS_MIXED_AS_A_PASSWORD
    return mixed and len(value) >= _AS_LONG_AS_A_TOKEN and bits > _AS_MIXED_AS_A_TOKEN


_MARKERS = (
    *("password", "passwd", "pwd", "passphrase", "passwort", "secret", "token", "key", "_pat"),
    *("-pat",),
)

# From a marker on: the rest of the key, what stands between, and a value.
_THEN_QUOTED = (
    r"[a-z_-]{1,10}\d?\\?[\"']?\]?\)?\s{0,9}(?::\s?[\w\[\]| .]{1,40}=|:=|=>|==?|:|,)\s{0,9}"
    r"[rbuf]{0,2}\\?[\"'][^\"'\s\\]{6}"
)
_THEN_VALUE = r"[a-z_-]{1,10}\s*(?:=|:\s)\s*[^\s\"'#,;]{6}"

PASSWORD_RULES = (
    Rule(
        "a password in a URL",
        ("://",),
        _url_logins,
        then=r"://[^\s/?#@:'\"<>`|]*:[^\s/?#@'\"<>`]+@",
    ),
    Rule(
        "a password or key in a connection string",
        ("pwd", "password", "accesskey", "access key", "accountkey", "account key", "secret"),
        _string_passwords,
        then=r"(?:pwd|pass|access|account|secret)(?:word|\s?key)?\s*=",
    ),
    Rule("a credential in quotes", _MARKERS, _assigned, then=_THEN_QUOTED),
)
# Only where a line is a key and a value: in code `password = secret2` names a variable.
SETTINGS_RULES = (
    Rule("a credential in a settings file", _MARKERS, _assigned_bare, then=_THEN_VALUE),
)

DOTENV_RULES = (Rule("a credential in an .env file", _MARKERS, _dotenv_variables),)
