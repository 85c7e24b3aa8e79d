"""Exceptions of the Azure SDKs → what happened, where, and the next step.

The SDKs tell causes apart by message and by nested error codes rather than by class: a network
failure at the authority is a ClientAuthenticationError without a status, and four different 403s
share one class. Nothing of an exception but its first line and its codes goes into a message: its
response carries the bearer token.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from remote_entry.errors import IdentityError, SecretFailure, VaultError
from remote_entry.settings.identity import IdentitySettings
from remote_entry.settings.references import SecretReference

LONGEST_QUOTE = 300


@dataclass(frozen=True)
class Cause:
    """One cause that can be told apart.

    Attributes:
        kind: The word that follows ``identity.`` or ``vault.``.
        summary: What happened.
        hint: What to do next.
    """

    kind: str
    summary: str
    hint: str


UNAVAILABLE = Cause(
    "unavailable", "the service is not available", "try again; see the Azure status page"
)

# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
ENTRA_CAUSES = {
    "AADSTS7000215": Cause(
        "wrong-secret",
        "Entra ID refused AZURE_CLIENT_SECRET: it is not this application's secret",
        "use the secret's value, not its id, from the application's 'Certificates & secrets'",
    ),
    "AADSTS7000222": Cause(
        "expired-secret",
        "Entra ID refused AZURE_CLIENT_SECRET: it has expired",
        "create a new client secret for the application and replace AZURE_CLIENT_SECRET",
    ),
    "AADSTS700027": Cause(
        "wrong-certificate",
        "Entra ID refused the certificate: it is not registered for this application",
        "upload the certificate of AZURE_CLIENT_CERTIFICATE_PATH to the application's "
        "'Certificates & secrets'",
    ),
    "AADSTS1000502": Cause(
        "expired-certificate",
        "Entra ID refused the certificate: it has expired, or is not valid yet",
        "register a new certificate for the application and replace AZURE_CLIENT_CERTIFICATE_PATH",
    ),
    "AADSTS7000112": Cause(
        "disabled",
        "the application of AZURE_CLIENT_ID is disabled",
        "have it enabled in Entra ID ('Enterprise applications')",
    ),
    "AADSTS53003": Cause(
        "conditional-access",
        "a Conditional Access policy blocks the sign-in from here",
        "have the compute's network or this workload identity allowed by the policy",
    ),
    "AADSTS90055": Cause(
        "throttled",
        "Entra ID throttled this tenant and kept doing so",
        "start fewer runs at once or wait a minute",
    ),
    "AADSTS90033": UNAVAILABLE,
    "AADSTS50000": UNAVAILABLE,
    "AADSTS700016": Cause(
        "unknown-client",
        "Entra ID does not know AZURE_CLIENT_ID in the tenant of AZURE_TENANT_ID",
        "compare AZURE_CLIENT_ID and AZURE_TENANT_ID with the application's overview page",
    ),
    "AADSTS90002": Cause(
        "wrong-tenant",
        "Entra ID does not know the tenant of AZURE_TENANT_ID",
        "compare AZURE_TENANT_ID with the tenant id on the application's overview page",
    ),
}

REJECTED = Cause("rejected", "Entra ID refused the sign-in", "look the code up")
NO_MANAGED_IDENTITY = Cause(
    "no-managed-identity",
    "there is no managed identity here, or not the one that was asked for",
    "assign one to the compute target; MANAGED_IDENTITY_CLIENT_ID, else DEFAULT_IDENTITY_CLIENT_ID "
    "of Azure ML, names which",
)
WRONG_TENANT = ENTRA_CAUSES["AADSTS90002"]
WRONG_AUTHORITY = Cause(
    "wrong-authority",
    "AZURE_AUTHORITY_HOST is no sign-in host of Azure",
    "remove AZURE_AUTHORITY_HOST, or set it to your cloud's host",
)
VAULT_IN_OTHER_TENANT = Cause(
    "wrong-tenant",
    "the vault belongs to another tenant than AZURE_TENANT_ID",
    "set AZURE_TENANT_ID to the vault's tenant, or KEY_VAULT_URL to the right vault",
)

IDENTITY_CAUSES = (
    (re.compile(r"ManagedIdentityCredential|managed identity", re.IGNORECASE), NO_MANAGED_IDENTITY),
    (re.compile(r"is not well-known"), WRONG_AUTHORITY),
    (re.compile(r"additionally_allowed_tenants"), VAULT_IN_OTHER_TENANT),
)

# Searched in this order: a proxy's refusal also mentions the connection that it refused.
NETWORK_CAUSES = (
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerification|\[SSL"),
        Cause(
            "tls",
            "its TLS certificate is not trusted or the TLS handshake failed",
            "set REQUESTS_CA_BUNDLE to the CA bundle of your network; do not switch checks off",
        ),
    ),
    (
        re.compile(r"ProxyError|Tunnel connection failed|Unable to connect to proxy"),
        Cause(
            "proxy",
            "the proxy of HTTPS_PROXY, or the host behind it, refused or closed the connection",
            "check HTTPS_PROXY and NO_PROXY, and that the proxy lets this host pass",
        ),
    ),
    (
        re.compile(r"[Ff]ailed to resolve|getaddrinfo|Name or service not known|name resolution"),
        Cause("dns", "its name does not resolve", "check the spelling and the network's DNS"),
    ),
    (
        re.compile(r"[Cc]onnection refused|Errno 111"),
        Cause("refused", "the connection was refused", "check the address and firewalls between"),
    ),
    (
        re.compile(r"timed out|[Tt]imeout"),
        Cause(
            "timeout",
            "it did not answer in time",
            "check firewalls and private endpoints between the compute and the host",
        ),
    ),
    (
        re.compile(
            r"[Cc]onnection (aborted|reset|broken)|RemoteDisconnected|IncompleteRead|unreachable|"
            "closed"
        ),
        Cause("reset", "the connection broke off", "try again; if it stays, check the network"),
    ),
)

# `error.innererror.code` of a 403:
# https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
FORBIDDEN_CAUSES = {
    "SecretDisabled": Cause(
        "disabled",
        "the secret's version is disabled",
        "enable it in the vault or pin another version",
    ),
    "ForbiddenByRbac": Cause(
        "rbac",
        "the service principal has no role that may read secrets",
        "assign it 'Key Vault Secrets User' on the vault; a new role takes some minutes",
    ),
    "AccessDenied": Cause(
        "access-policy",
        "no access policy lets the service principal read secrets",
        "add an access policy with the secret permission 'get' for AZURE_CLIENT_ID",
    ),
    "ForbiddenByConnection": Cause(
        "firewall",
        "the vault's public access is disabled, and this network has no private endpoint to it",
        "use a private endpoint from the compute's network, or allow the network in 'Networking'",
    ),
    "ForbiddenByFirewall": Cause(
        "firewall",
        "the vault's firewall does not let this network in",
        "allow the compute's network in the vault's 'Networking', or use a private endpoint",
    ),
}

STATUS_CAUSES = {
    400: Cause("rejected", "the vault rejected the request", "check the name and the version"),
    401: Cause(
        "token-rejected",
        "the vault refused the token",
        "check that AZURE_TENANT_ID is the vault's tenant and that the clock is right",
    ),
    403: Cause("forbidden", "the vault forbids it", "check the vault's permissions and network"),
    404: Cause(
        "missing",
        "the vault has no such secret or version",
        "check name and version in the vault's 'Secrets'; a deleted secret must be recovered",
    ),
    429: Cause(
        "throttled",
        "the vault throttled this client and kept doing so",
        "start fewer runs at once or wait a minute",
    ),
}

NO_CA_BUNDLE = Cause(
    "tls",
    "there is no file where REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE points to",
    "correct the path, or remove the variable to trust the usual authorities",
)
WRONG_HOST = Cause(
    "wrong-host",
    "the host of KEY_VAULT_URL is no Key Vault of the cloud that issued the challenge",
    "set KEY_VAULT_URL to https://<vault>.vault.azure.net/",
)
UNKNOWN = Cause(
    "unexpected", "the SDK failed in an unknown way", "set REMOTE_ENTRY_DEBUG=1 for the traceback"
)

WHOLE_VAULT_KINDS = frozenset(
    {"deadline", "dns", "firewall", "proxy", "refused", "reset", "timeout", "tls", "wrong-host"}
)
"""Causes that every secret of a vault would meet; the others belong to one secret."""


def explain_identity(error: Exception) -> IdentityError | None:
    """Return the identity error behind an exception, or None if a token was there."""
    if not isinstance(error, ClientAuthenticationError) or error.status_code == 401:  # noqa: PLR2004
        return None
    cause, quote = _identity_cause(error)
    message = f"No token from Entra ID: {cause.summary}"
    return IdentityError(
        f"{message}\n  Entra ID said: {quote}" if quote else message,
        kind=f"identity.{cause.kind}",
        hint=cause.hint,
    )


def explain_token(error: Exception, identity: IdentitySettings) -> IdentityError:
    """Return the identity error behind a token request that failed.

    Args:
        error: What azure-identity raised.
        identity: Who asked.
    """
    known = explain_identity(error)
    if known is not None:
        return known
    cause = network_cause(str(error)) or UNKNOWN
    return IdentityError(
        f"No token for the {identity.describe()}: {cause.summary}",
        kind=f"identity.{cause.kind}",
        hint=cause.hint,
    )


def explain_secret(error: Exception, reference: SecretReference) -> SecretFailure:
    """Return why one secret could not be read."""
    cause = _vault_cause(error)
    return SecretFailure(str(reference), f"vault.{cause.kind}", cause.summary, cause.hint)


def raise_if_whole_vault(failure: SecretFailure, vault_url: str) -> None:
    """Raise an error for the vault as a whole, unless only this secret is concerned."""
    if failure.kind.removeprefix("vault.") not in WHOLE_VAULT_KINDS:
        return
    raise VaultError(
        f"Key Vault {urlsplit(vault_url).netloc} (KEY_VAULT_URL) cannot be read: {failure.message}",
        kind=failure.kind,
        hint=failure.hint,
    )


def _identity_cause(error: ClientAuthenticationError) -> tuple[Cause, str]:
    """Return a cause, and what Entra ID said if it said something."""
    text = str(error)
    code = re.search(r"AADSTS\d+", text)
    if code:
        return ENTRA_CAUSES.get(code[0], REJECTED), _quote(text[code.start() :])
    cause = _cause_without_code(error, text)
    quoted = cause in {UNAVAILABLE, UNKNOWN, NO_MANAGED_IDENTITY}
    return cause, _quote(text) if quoted else ""


def _cause_without_code(error: ClientAuthenticationError, text: str) -> Cause:
    """Return the cause where Entra ID gave no number: mostly it was not reached."""
    for pattern, cause in IDENTITY_CAUSES:
        if pattern.search(text):
            return cause
    network = network_cause(text)
    if network:
        summary = f"its host (AZURE_AUTHORITY_HOST or the default) failed: {network.summary}"
        return Cause(network.kind, summary, network.hint)
    if re.search(r"HTTP Error: 5\d\d", text) or error.status_code in range(500, 600):
        return UNAVAILABLE
    if "Unable to get authority configuration" in text:
        return WRONG_TENANT
    return UNKNOWN


def _vault_cause(error: Exception) -> Cause:
    """Return the cause of a failed read."""
    if isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError):
        return network_cause(str(error)) or UNKNOWN
    if isinstance(error, HttpResponseError):
        return _status_cause(error)
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        return NO_CA_BUNDLE
    if isinstance(error, ValueError) and "challenge resource" in str(error):
        return WRONG_HOST
    return UNKNOWN


def _status_cause(error: HttpResponseError) -> Cause:
    """Return the cause behind an HTTP status."""
    status = error.status_code or 0
    if status == 403:  # noqa: PLR2004 (an HTTP status)
        inner_code = _inner_code(error.error)
        return FORBIDDEN_CAUSES.get(inner_code, STATUS_CAUSES[403])
    if status >= 500:  # noqa: PLR2004 (an HTTP status)
        return UNAVAILABLE
    return STATUS_CAUSES.get(status, UNKNOWN)


def _inner_code(error: Any) -> str:
    """Return ``innererror.code`` of an OData error, or an empty string."""
    inner = getattr(error, "innererror", None)
    return str(inner.get("code", "")) if isinstance(inner, dict) else ""


def network_cause(text: str) -> Cause | None:
    """Return the cause of a connection that failed, as far as the message tells."""
    for pattern, cause in NETWORK_CAUSES:
        if pattern.search(text):
            return cause
    return None


def _quote(text: str) -> str:
    """Return the first line of a message, short enough for a log."""
    return (text.splitlines() or [""])[0][:LONGEST_QUOTE]
