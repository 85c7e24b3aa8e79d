"""Variables → who the run is towards Key Vault and SQL Server; no I/O."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from remote_entry.hidden import Hidden
from remote_entry.settings.references import FROM_WORKSPACE_SUFFIX

SERVICE_PRINCIPAL = "service-principal"
MANAGED_IDENTITY = "managed-identity"

# Azure ML sets this text where the compute has no user-assigned identity:
# https://github.com/Azure/azure-sdk-for-python/issues/31071
_NO_CLIENT_ID = "clientid"

_DIRECTORY_ID = re.compile(r"[0-9A-Za-z.-]+")


@dataclass(frozen=True)
class IdentitySettings:
    """Who the run is.

    Attributes:
        kind: ``service-principal``, or ``managed-identity`` if REMOTE_ENTRY_IDENTITY asks for it.
        tenant_id: Entra tenant of the service principal.
        client_id: Application id of the service principal.
        client_secret: Its secret; empty if it comes from the workspace and was not read yet.
        certificate_path: File with its certificate and private key; it goes before the secret.
        certificate_password: What the private key is encrypted with.
        managed_identity_client_id: Which of the compute's identities; empty for its own.
    """

    kind: str = SERVICE_PRINCIPAL
    tenant_id: str = ""
    client_id: str = ""
    client_secret: Hidden = field(default_factory=Hidden)
    certificate_path: str = ""
    certificate_password: Hidden = field(default_factory=Hidden)
    managed_identity_client_id: str = ""

    @property
    def is_managed(self) -> bool:
        """Whether the compute vouches for the run, and no secret does."""
        return self.kind == MANAGED_IDENTITY

    def describe(self) -> str:
        """Return who this is, for messages."""
        if self.is_managed:
            return f"managed identity {self.managed_identity_client_id or 'of the compute'}"
        means = "certificate" if self.certificate_path else "client secret"
        return f"service principal {self.client_id} of tenant {self.tenant_id} ({means})"


def read_identity(
    variables: Mapping[str, str], problems: list[str], warnings: list[str]
) -> IdentitySettings:
    """Read the identity's variables.

    Args:
        variables: The environment, white space already stripped.
        problems: Receives one line for each thing that must be corrected.
        warnings: Receives one line for each thing that was understood but should be corrected.
    """
    kind = variables.get("REMOTE_ENTRY_IDENTITY") or SERVICE_PRINCIPAL
    if kind not in {SERVICE_PRINCIPAL, MANAGED_IDENTITY}:
        problems.append(
            f"REMOTE_ENTRY_IDENTITY is neither {SERVICE_PRINCIPAL} nor {MANAGED_IDENTITY}"
        )
    certificate_path = variables.get("AZURE_CLIENT_CERTIFICATE_PATH", "")
    client_secret = variables.get("AZURE_CLIENT_SECRET", "")
    if certificate_path and client_secret:
        warnings.append(
            "AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_SECRET are both set; the certificate "
            "is used"
        )
    return IdentitySettings(
        kind=kind,
        tenant_id=_directory_id("AZURE_TENANT_ID", variables, problems),
        client_id=_directory_id("AZURE_CLIENT_ID", variables, problems),
        client_secret=Hidden(client_secret),
        certificate_path=certificate_path,
        certificate_password=Hidden(variables.get("AZURE_CLIENT_CERTIFICATE_PASSWORD", "")),
        managed_identity_client_id=_managed_identity(variables, problems),
    )


def require_identity(
    identity: IdentitySettings, pending: Collection[str], problems: list[str]
) -> None:
    """Check that there is all that a token takes, and say every place that was looked in.

    Args:
        identity: What was read.
        pending: Variables whose values the workspace holds and that were not read yet.
        problems: Receives one line for each thing that is missing.
    """
    if identity.is_managed:
        return
    values = {"AZURE_TENANT_ID": identity.tenant_id, "AZURE_CLIENT_ID": identity.client_id}
    problems.extend(
        f"{variable} is not set, and neither is {variable}{FROM_WORKSPACE_SUFFIX}"
        for variable, value in values.items()
        if not value and variable not in pending
    )
    proofs = {"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"}
    if not (identity.client_secret or identity.certificate_path or proofs & set(pending)):
        problems.append(
            "AZURE_CLIENT_SECRET is not set, and neither is AZURE_CLIENT_SECRET"
            f"{FROM_WORKSPACE_SUFFIX}, AZURE_CLIENT_CERTIFICATE_PATH or "
            f"REMOTE_ENTRY_IDENTITY={MANAGED_IDENTITY}"
        )


def _managed_identity(variables: Mapping[str, str], problems: list[str]) -> str:
    """Return the id of the managed identity: our own variable, or else the one Azure ML sets."""
    own = _directory_id("MANAGED_IDENTITY_CLIENT_ID", variables, problems)
    if own:
        return own
    default = variables.get("DEFAULT_IDENTITY_CLIENT_ID", "")
    return "" if default == _NO_CLIENT_ID else default


def _directory_id(variable: str, variables: Mapping[str, str], problems: list[str]) -> str:
    """Return a tenant or client id."""
    value = variables.get(variable, "")
    if value and not _DIRECTORY_ID.fullmatch(value):
        problems.append(f"{variable} is not an id: letters, digits, '-' and '.' only")
    return value
