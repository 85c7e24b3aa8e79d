"""Settings → the one credential that they name.

Named explicitly, never guessed: DefaultAzureCredential takes ``AZURE_CLIENT_ID`` for a managed
identity's id if the client secret is missing, and fails minutes later with another error.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)

from remote_entry.access_token import AccessToken
from remote_entry.azure.errors import explain_token
from remote_entry.azure.retry import credential_options, managed_identity_options
from remote_entry.deadline import Deadline, wait_for
from remote_entry.errors import IdentityError
from remote_entry.hidden import Hidden
from remote_entry.settings.identity import IdentitySettings, require_identity

# https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory
SQL_SCOPE = "https://database.windows.net/.default"
# The same in every cloud: https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
STORAGE_SCOPE = "https://storage.azure.com/.default"
VAULT_SCOPE = "https://vault.azure.net/.default"

# The SDKs log each failure besides raising it; without a handler of the user's that would print a
# second message beside ours.
logging.getLogger("azure").addHandler(logging.NullHandler())


def open_credential(identity: IdentitySettings, deadline: Deadline) -> TokenCredential:
    """Return the credential that the settings describe; no request is made yet.

    Args:
        identity: Complete settings: values from the workspace are already in.
        deadline: Bounds every token request.

    Returns:
        A credential for azure-core clients.

    Raises:
        IdentityError: A part is missing, or the certificate cannot be used.
    """
    problems: list[str] = []
    require_identity(identity, (), problems)
    if problems:
        raise IdentityError(
            f"The service principal is incomplete: {'; '.join(problems)}",
            kind="identity.missing",
            hint="store the value with `submitter secret set` and name it in <VARIABLE>"
            "_FROM_WORKSPACE",
        )
    if identity.is_managed:
        client_id = identity.managed_identity_client_id or None
        return ManagedIdentityCredential(client_id=client_id, **managed_identity_options())
    if identity.certificate_path:
        return _open_certificate(identity, deadline)
    return ClientSecretCredential(
        identity.tenant_id,
        identity.client_id,
        identity.client_secret.text,
        **credential_options(deadline),
    )


def vault_scope(vault_url: str) -> str:
    """Return what a token for a vault is for: each cloud's vaults have a domain of their own."""
    _, _, domain = urlsplit(vault_url).netloc.partition(".")
    return f"https://{domain}/.default" if domain.startswith("vault.") else VAULT_SCOPE


def sign_in(
    credential: TokenCredential, identity: IdentitySettings, scope: str, deadline: Deadline
) -> None:
    """Fetch the first token, so that what is wrong with the identity shows here.

    The SDK keeps it: whoever asks for the same scope next makes no request.

    Args:
        credential: Who signs in.
        identity: The same, for messages.
        scope: What the token is for.
        deadline: When to stop waiting.

    Raises:
        IdentityError: There is no token, or none in time.
    """
    try:
        wait_for(token_source(credential, identity, scope), deadline)
    except TimeoutError:
        raise IdentityError(
            f"No token for the {identity.describe()}: Entra ID did not answer within "
            f"{deadline.seconds:g} s",
            kind="identity.deadline",
            hint="check the compute's way to Entra ID, or raise REMOTE_ENTRY_DEADLINE",
        ) from None


def token_source(
    credential: TokenCredential, identity: IdentitySettings, scope: str
) -> Callable[[], str]:
    """Return what fetches a token when it is called; the SDK keeps it until it nears its end.

    Args:
        credential: Who asks.
        identity: The same, for messages.
        scope: What the token is for, such as ``SQL_SCOPE``.
    """
    # A client of Key Vault asks for tokens with continuous access evaluation, which the SDK keeps
    # apart from those without it.
    for_vault = scope != SQL_SCOPE

    def fetch() -> str:
        try:
            return credential.get_token(scope, enable_cae=for_vault).token
        except Exception as error:  # noqa: BLE001 (whatever the SDK raises is explained)
            explained = explain_token(error, identity)
        # Not inside the handler: the SDK's error, whose frames hold the secret, would come along.
        raise explained

    return fetch


def fresh_token_source(
    identity: IdentitySettings, scope: str, seconds: float
) -> Callable[[], AccessToken]:
    """Return what fetches a new token at each call; whoever calls keeps it until it nears its end.

    The SDK's credential would go on handing out a token that a service has refused, and is bound to
    one deadline; each call opens one of its own.

    Args:
        identity: Who asks.
        scope: What the token is for.
        seconds: How long a call may take.
    """

    def fetch() -> AccessToken:
        try:
            found = open_credential(identity, Deadline(seconds)).get_token(scope)
            return AccessToken(Hidden(found.token), found.expires_on)
        except IdentityError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever the SDK raises is explained)
            explained = explain_token(error, identity)
        raise explained  # not inside the handler: see token_source

    return fetch


def _open_certificate(identity: IdentitySettings, deadline: Deadline) -> TokenCredential:
    """Return the credential of a certificate's file; what is wrong with the file is told apart."""
    path = Path(identity.certificate_path)
    if not path.is_file():
        raise IdentityError(
            f"There is no certificate where AZURE_CLIENT_CERTIFICATE_PATH points to: {path}, seen "
            f"from {Path.cwd()}",
            kind="identity.certificate",
            hint="bring the file into the image or mount it; never put it into the snapshot",
        )
    try:
        return CertificateCredential(
            identity.tenant_id,
            identity.client_id,
            str(path),
            password=identity.certificate_password.text or None,
            **credential_options(deadline),
        )
    except (OSError, TypeError, ValueError) as error:
        # Its text may quote the file, so only its class is shown.
        raise IdentityError(
            f"The certificate {path} (AZURE_CLIENT_CERTIFICATE_PATH) cannot be used "
            f"({type(error).__name__})",
            kind="identity.certificate",
            hint="it must be PEM or PKCS12 with an RSA key; set AZURE_CLIENT_CERTIFICATE_PASSWORD "
            "if the key is encrypted",
        ) from None
