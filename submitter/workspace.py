"""Sign in, and open the workspace: never with a prompt unless a person is there."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitter.errors import NotFoundError, ServiceError, SignInError, WorkspaceError
from submitter.service import ask

_PRINCIPAL_VARIABLES = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_RENEWED_BEFORE = 300.0  # seconds before a token expires


@dataclass(frozen=True)
class WorkspaceAddress:
    """Which workspace to open; with nothing given, the one of the nearest config.json.

    Attributes:
        subscription_id: The subscription's GUID.
        resource_group: The resource group's name.
        name: The workspace's name.
        config: A config.json, or the folder from which to look upwards for one.
    """

    subscription_id: str | None = None
    resource_group: str | None = None
    name: str | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        given = [self.subscription_id, self.resource_group, self.name]
        if any(given) and not all(given):
            raise WorkspaceError(
                "A workspace is named by subscription, resource group and name: give all three "
                "(--subscription, --resource-group, --workspace), or none and a config.json."
            )


def open_workspace(
    address: WorkspaceAddress | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    person_is_there: bool | None = None,
) -> Any:
    """Return the azureml-core `Workspace`.

    Args:
        address: Which one; by default that of the nearest config.json.
        environ: Where the service principal's variables are looked for.
        person_is_there: Whether a browser may be opened; by default, if a terminal is attached
            and `CI` is not set.

    Raises:
        WorkspaceError: No config.json was found, or the workspace does not exist.
        SignInError: No credential was found, or it was refused.
    """
    address = address or WorkspaceAddress()
    config = None if address.name else _require_config(address.config or Path.cwd())
    if person_is_there is None:
        person_is_there = sys.stdin.isatty() and sys.stderr.isatty() and not environ.get("CI")
    authentication = _sign_in(environ, person_is_there=person_is_there)
    from azureml.core import Workspace  # a second, which whoever cannot sign in is spared

    if config:
        return _open(
            f"that {config} names",
            lambda: Workspace.from_config(str(config), auth=authentication),
        )
    return _open(
        f"{address.name} in {address.resource_group}",
        lambda: Workspace.get(
            address.name,
            auth=authentication,
            subscription_id=address.subscription_id,
            resource_group=address.resource_group,
        ),
    )


def _open(which: str, call: Callable[[], Any]) -> Any:
    try:
        return ask(f"open the workspace {which}", call)
    except (NotFoundError, ServiceError) as error:
        if isinstance(error, NotFoundError) or "not found" in str(error):
            raise WorkspaceError(
                f"{error} Check subscription, resource group and name; or this identity has no "
                "role on it."
            ) from error
        raise


def signs_in_silently(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a sign-in needs nobody: there is a service principal, or the CLI's account."""
    principal = all(environ.get(name) for name in _PRINCIPAL_VARIABLES)
    return principal or _azure_cli_has_an_account(environ)


def full_name(workspace: Any) -> str:
    """Return what names a workspace among all: subscription, resource group and name."""
    return f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.name}"


def find_config(start: Path) -> Path | None:
    """Look for a config.json where `Workspace.from_config` looks, without signing in.

    Args:
        start: The file itself, or the folder to look in and above.

    Returns:
        The file, or None if there is none.
    """
    if start.is_file():
        return start
    start = start.absolute()
    candidates = (".azureml/config.json", "aml_config/config.json", "config.json")
    found = (folder / name for name in candidates for folder in (start, *start.parents))
    return next((path for path in found if path.is_file()), None)


def _require_config(start: Path) -> Path:
    config = find_config(start)
    if config is None:
        raise WorkspaceError(
            f"No workspace is configured: there is no .azureml/config.json in {start} or a "
            "folder above it. Download config.json from the workspace's page in Azure ML studio, "
            "or name the workspace with --subscription, --resource-group and --workspace. "
            "To try it without Azure, add --emulator."
        )
    return config


def _sign_in(environ: Mapping[str, str], *, person_is_there: bool) -> Any:
    """Return an azureml-core authentication: service principal, Azure CLI, then a browser."""
    missing = [name for name in _PRINCIPAL_VARIABLES if not environ.get(name)]
    if not missing:
        from azureml.core.authentication import ServicePrincipalAuthentication

        return ServicePrincipalAuthentication(
            tenant_id=environ["AZURE_TENANT_ID"],
            service_principal_id=environ["AZURE_CLIENT_ID"],
            service_principal_password=environ["AZURE_CLIENT_SECRET"],
        )
    if _azure_cli_has_an_account(environ):
        from azure.identity import AzureCliCredential

        return _from_credential(AzureCliCredential())
    if person_is_there:
        from azure.identity import InteractiveBrowserCredential

        return _from_credential(InteractiveBrowserCredential())
    raise SignInError(
        "Nobody is signed in. Looked for a service principal (not set: "
        f"{', '.join(missing)}), for an account of the Azure CLI (none in "
        f"{_azure_cli_folder(environ)}), and for a person at a terminal who could use a browser. "
        "Set the three variables, or run: az login"
    )


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


def _from_credential(credential: Any) -> Any:
    from azureml.core.authentication import TokenAuthentication

    return TokenAuthentication(_Tokens(credential))


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


def _azure_cli_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")


def _azure_cli_has_an_account(environ: Mapping[str, str]) -> bool:
    """Look at the CLI's profile file first: starting `az` only to hear "no" takes a second."""
    profile = _azure_cli_folder(environ) / "azureProfile.json"
    return profile.is_file() and b'"subscriptions": []' not in profile.read_bytes()
