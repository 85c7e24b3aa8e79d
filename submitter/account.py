"""Who is signed in on this machine: never asked with a prompt unless a person is there."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from submitter.errors import SignInError

PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_RENEWED_BEFORE = 300.0  # seconds before a token expires


@dataclass(frozen=True)
class Account:
    """An identity, before anybody has asked whether it is accepted.

    Attributes:
        description: Who it is and where that was found.
        authentication: Makes azureml-core's form of it.
        credential: Makes azure-identity's form of it.
    """

    description: str
    authentication: Callable[[], Any] = field(repr=False)
    credential: Callable[[], Any] = field(repr=False)


def find_account(
    environ: Mapping[str, str] = os.environ, *, person_is_there: bool | None = None
) -> Account:
    """Look for a service principal, an account of the Azure CLI, then a person with a browser.

    Args:
        environ: Where the service principal's variables are looked for.
        person_is_there: Whether a browser may be opened; by default, if a terminal is attached
            and `CI` is not set.

    Raises:
        SignInError: There is none; each place that was looked in is named.
    """
    if person_is_there is None:
        person_is_there = somebody_is_there(environ)
    missing = [name for name in PRINCIPAL if not environ.get(name)]
    if not missing:
        return _service_principal(environ)
    cli_account = _azure_cli_account(environ)
    if cli_account:
        return _from_credential(f"{cli_account}, signed in with the Azure CLI", _azure_cli)
    if person_is_there:
        return _from_credential("whoever signs in with the browser", _browser)
    raise SignInError(
        "Nobody is signed in. Looked for a service principal (not set: "
        f"{', '.join(missing)}), for an account of the Azure CLI (none in "
        f"{_azure_cli_folder(environ)}), and for a person at a terminal who could use a browser. "
        "Set the three variables, or run: az login"
    )


def somebody_is_there(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a person can answer a question: a terminal is attached, and this is no CI."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not environ.get("CI")


def signs_in_silently(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a sign-in needs nobody: there is a service principal, or the CLI's account."""
    try:
        find_account(environ, person_is_there=False)
    except SignInError:
        return False
    return True


def forget_tokens(workspace: Any) -> None:
    """Make the next request sign in again: the service refused a token that looks good from here.

    Args:
        workspace: The azureml-core `Workspace`.
    """
    authentication = workspace.service_context.get_auth()
    tokens = getattr(authentication, "_get_token_for_audience", None)
    if isinstance(tokens, _Tokens):
        tokens.forget()
    # ServicePrincipalAuthentication renews a token five minutes before its end, and offers no way
    # to ask for that sooner.
    for name in ("_cached_arm_token", "_cached_azureml_client_token"):
        if hasattr(authentication, name):
            setattr(authentication, name, None)


def _service_principal(environ: Mapping[str, str]) -> Account:
    tenant, client, secret = (environ[name] for name in PRINCIPAL)

    def authentication() -> Any:
        from azureml.core.authentication import ServicePrincipalAuthentication

        return ServicePrincipalAuthentication(
            tenant_id=tenant, service_principal_id=client, service_principal_password=secret
        )

    def credential() -> Any:
        from azure.identity import ClientSecretCredential

        return ClientSecretCredential(tenant, client, secret)

    description = f"service principal {client} of tenant {tenant}, from AZURE_CLIENT_SECRET"
    return Account(description, cache(authentication), cache(credential))


def _from_credential(description: str, make: Callable[[], Any]) -> Account:
    credential = cache(make)

    def authentication() -> Any:
        from azureml.core.authentication import TokenAuthentication

        return TokenAuthentication(_Tokens(credential()))

    return Account(description, cache(authentication), credential)


class _Tokens:
    """A credential's tokens by audience, kept until they are about to expire.

    azureml-core asks for one at each request, and for each the Azure CLI's credential would start
    `az`, which takes a second.

    Args:
        credential: An azure-identity credential.
    """

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._tokens: dict[str, Any] = {}

    def __call__(self, audience: str) -> str:
        token = self._tokens.get(audience)
        if token is None or token.expires_on - time.time() < _RENEWED_BEFORE:
            # A v2 scope is the resource's exact id and "/.default", even after its own final slash.
            token = self._tokens[audience] = self._credential.get_token(f"{audience}/.default")
        return str(token.token)

    def __deepcopy__(self, memo: object) -> "_Tokens":
        return self  # the SDK copies its authentications; a credential holds locks

    def forget(self) -> None:
        """Ask the credential again at the next request."""
        self._tokens.clear()


def _azure_cli() -> Any:
    from azure.identity import AzureCliCredential

    return AzureCliCredential()


def _browser() -> Any:
    from azure.identity import InteractiveBrowserCredential

    return InteractiveBrowserCredential()


def _azure_cli_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")


def _azure_cli_account(environ: Mapping[str, str]) -> str:
    """Return whom the CLI's profile file names: starting `az` only to hear "no" takes a second."""
    profile = _azure_cli_folder(environ) / "azureProfile.json"
    try:
        subscriptions = json.loads(profile.read_text(encoding="utf-8-sig"))["subscriptions"]
        chosen = [each for each in subscriptions if each.get("isDefault")] or subscriptions
        return str(chosen[0]["user"]["name"]) if chosen else ""
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, TypeError, KeyError):
        return "an account"  # a profile in some other form: `az` itself will know
