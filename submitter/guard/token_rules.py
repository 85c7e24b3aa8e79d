"""Credentials that are known by their shape, wherever they stand.

Those of other makers come from detect-secrets. Those of Azure are Microsoft's identifiable keys,
whose fixed letters are published for this purpose
(https://github.com/microsoft/security-utilities, IdentifiableMetadata).
"""

import base64
import binascii
import re
from collections.abc import Iterator

from submitter.guard.placeholders import is_placeholder
from submitter.guard.rules import Rule, detected, matching

_SHORTEST_PASSWORD = 4
_BASE64 = "[A-Za-z0-9+/]"
_WORD_STARTS = r"(?<![\w+/=-])"
_KEY_HEADER = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# A real key goes on with its body: line ends (in JSON their escapes), quotes, headers, base64.
_KEY_BODY = re.compile(
    r"(?:[\s\"',+>|]|\\[nrt]|(?:Proc-Type|DEK-Info|Version|Comment):[^\n\\]*|b?\"|[A-Za-z]{0,2}\")*"
    rf"{_BASE64}{{40,}}"
)
_BASE64_HEADER = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}")


def _private_keys(text: str) -> Iterator[str]:
    line, _, _ = text.partition("\n")  # the marker's; a header further down has its own
    for header in _KEY_HEADER.finditer(line):
        if _KEY_BODY.match(text, header.end()):
            yield header[0]


def _encoded_private_keys(text: str) -> Iterator[str]:
    for match in _BASE64_HEADER.finditer(text):
        if b"PRIVATE KEY" in _decoded(match[0][:64]):
            yield match[0]


def _basic_logins(text: str) -> Iterator[str]:
    for match in re.finditer(r"\bbasic\s+([A-Za-z0-9+/]{8,}={0,2})", text, re.IGNORECASE):
        user, colon, password = _decoded(match[1]).decode("latin-1").partition(":")
        is_login = colon and user.isascii() and user.isprintable() and password.isprintable()
        if is_login and len(password) >= _SHORTEST_PASSWORD and not is_placeholder(password):
            yield match[1]


def _json_web_tokens(text: str) -> Iterator[str]:
    """Find header.claims.signature; the detector of detect-secrets stops before the signature."""
    for token in re.findall(r"eyJ[\w-]{8,600}\.eyJ[\w-]{8,2000}\.[\w-]{20,}", text):
        if b'"alg"' in _decoded(_padded(token.partition(".")[0])) and not is_placeholder(token):
            yield token


def _padded(text: str) -> str:
    return text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4)


def _is_no_token(text: str) -> bool:
    return not re.search(r"\d", text) or is_placeholder(text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except binascii.Error:
        return b""


TOKEN_RULES = (
    Rule(
        "a private key",
        ("private key",),
        _private_keys,
        spans_lines=True,
        then=r"private key[a-z ]{0,6}-----",
    ),
    Rule("a private key in base64", ("ls0tls1crudjti",), _encoded_private_keys),
    Rule("a PuTTY private key", ("putty-user-key-file-",), matching(r"PuTTY-User-Key-File-\d: ")),
    Rule(
        "a client secret of Microsoft Entra",
        ("7q~", "8q~", "9q~"),
        matching(r"(?<![\w~.-])([A-Za-z0-9_~.-]{3}[789]Q~[A-Za-z0-9_~.-]{31,34})(?![\w~-])"),
        then=r"[789]q~[\w~.-]{31}",
    ),
    Rule(
        "an access key of Azure",
        ("apim", "acdb", "+aba", "+amc", "+ast", "aiot", "+asb", "+aeh", "+arm"),
        matching(
            rf"{_WORD_STARTS}({_BASE64}{{76}}(?:APIM|ACDb|\+(?:ABa|AMC|ASt)){_BASE64}{{5}}[AQgw]=="
            rf"|{_BASE64}{{33}}(?:AIoT|\+(?:ASb|AEh|ARm))[A-P]{_BASE64}{{5}}=)",
        ),
        then=r"\+?[a-z]{3,4}[a-z0-9+/]{6}=",
    ),
    Rule(
        "a key of an Azure service",
        ("azfu", "azse", "+acr", "azca"),
        matching(
            rf"{_WORD_STARTS}([\w-]{{44}}AzFu[\w-]{{5}}[AQgw]==|[A-Za-z0-9]{{42}}AzSe[A-D][A-Za-z0-9]{{5}}"
            rf"|{_BASE64}{{42}}\+ACR[A-D][A-Za-z0-9]{{5}}|[A-Za-z0-9]{{33}}AzCa[A-P][A-Za-z0-9]{{5}}=)(?![\w+/])"
        ),
        then=r"(?:azfu|azse|\+acr|azca)[\w/+-]{6}",
    ),
    Rule(
        "a token of Azure DevOps or Azure",
        ("azdo", "jqqj9"),
        matching(
            r"(?<!\w)([A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}|[A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9]{26,30})(?!\w)"
        ),
        then=r"(?:azdo[a-z0-9]{4}|jqqj9\w{27})",
    ),
    Rule(
        "a token of Azure DevOps",
        ("devops", "vsts", "_pat", "dev.azure.com"),
        matching(
            r"(?<![a-z0-9])([a-z2-7]{52})(?![a-z0-9])",
            nearby=r"devops|vsts|[_-]pat\b|dev\.azure\.com",
        ),
    ),
    Rule(
        "a shared access signature",
        ("sig=",),
        matching(
            r"\bsig=((?:[A-Za-z0-9+/]|%2[BbFf]){40,}(?:=|%3[Dd])?)",
            nearby=r"[?&;]?(se|sv|sr|sp|skn|st|sig)=.*(se|sv|sr|sp|skn|st|sig)=",
            flags=re.IGNORECASE,
        ),
        then=r"sig=(?:[a-z0-9+/]|%2[bf]){40}",
    ),
    Rule("a login in a header", ("basic ",), _basic_logins, then=r"basic\s+[a-z0-9+/]{8}"),
    Rule(
        "a token in a header",
        ("bearer ",),
        matching(r"(?i:bearer)\s+([\w~.+/-]{24,})", innocent=_is_no_token),
        then=r"bearer\s+[\w~.+/-]{24}",
    ),
    Rule(
        "a fine-grained token of GitHub",
        ("github_pat_",),
        matching(r"\b(github_pat_\w{60,})"),
        then=r"github_pat_\w{60}",
    ),
    Rule(
        "a token of Hugging Face",
        ("hf_",),
        matching(r"\b(hf_[A-Za-z]{34})\b"),
        then=r"hf_[a-z]{34}",
    ),
    Rule(
        "a token of Databricks",
        ("dapi",),
        matching(r"\b(dapi[a-f0-9]{32}(?:-\d)?)\b"),
        then=r"dapi[a-f0-9]{32}",
    ),
    Rule("a key of Google", ("aiza",), matching(r"\b(AIza[\w-]{35})(?![\w-])")),
    Rule(
        "a key of OpenAI or Anthropic",
        ("sk-",),
        matching(r"\b(sk-(?:proj|ant|svcacct)-[\w-]{40,})"),
        then=r"sk-[a-z]+-[\w-]{40}",
    ),
    Rule("a JSON web token", ("eyj",), _json_web_tokens, then=r"eyj[\w-]{8,600}\.eyj"),
    Rule(
        "a token of GitHub",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        detected("github_token", "GitHubTokenDetector"),
        then=r"gh[a-z]_[a-z0-9]{36}",
    ),
    Rule(
        "a token of GitLab",
        ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "gr1348941", "glcbt-", "glptt-", "gloas-"),
        detected("gitlab_token", "GitLabTokenDetector"),
    ),
    Rule(
        "a key of AWS",
        ("akia", "asia", "abia", "acca", "aws"),
        detected("aws", "AWSKeyDetector"),
        then=r"(?:a[a-z]{3}[0-9a-z]{16}|aws.{1,50}['\"][0-9a-z/+]{40}['\"])",
    ),
    Rule(
        "a token of Slack",
        ("xox", "hooks.slack.com"),
        detected("slack", "SlackDetector"),
        then=r"xox[a-z]-|hooks",
    ),
    Rule("a key of Stripe", ("k_live_",), matching(r"\b([rs]k_live_[0-9A-Za-z]{24,})")),
    Rule(
        "a key of SendGrid",
        ("sg.",),
        detected("sendgrid", "SendGridDetector"),
        then=r"sg\.[\w-]{22}\.",
    ),
    Rule("a key of OpenAI", ("t3blbkfj",), detected("openai", "OpenAIDetector")),
    Rule("a token of npm", ("_authtoken",), detected("npm", "NpmDetector")),
    Rule("a token of PyPI", ("pypi-age",), detected("pypi_token", "PypiTokenDetector")),
)
