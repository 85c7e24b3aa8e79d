"""Open the workspace: named by options, or by the nearest config.json."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitter.account import Account, find_account
from submitter.errors import NotFoundError, ServiceError, WorkspaceError
from submitter.service import ask, begin


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
    account: Account | None = None,
) -> Any:
    """Return the azureml-core `Workspace`.

    Args:
        address: Which one; by default that of the nearest config.json.
        environ: Where the service principal's variables are looked for.
        person_is_there: Whether a browser may be opened; by default, if a terminal is attached
            and `CI` is not set.
        account: Who is signed in, if that is known already.

    Raises:
        WorkspaceError: No config.json was found, or the workspace does not exist.
        SignInError: No credential was found, or it was refused.
    """
    address = address or WorkspaceAddress()
    config = None if address.name else require_config(address.config or Path.cwd())
    account = account or find_account(environ, person_is_there=person_is_there)
    authentication = account.authentication()
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


def begin_to_open(open_workspace: Callable[[], Any]) -> Future[Any]:
    """Open a workspace on a thread of its own, for whoever has work to do meanwhile.

    Args:
        open_workspace: Opens it.
    """
    # Not on that thread: beside an import of half a second, other work would only take turns.
    import azureml.core  # noqa: F401 - to have it

    return begin(open_workspace)


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


def read_config(path: Path) -> tuple[str, str, str]:
    """Return the subscription, the resource group and the name that a config.json gives.

    Raises:
        WorkspaceError: It is no config.json of a workspace.
    """
    try:
        named = json.loads(path.read_text(encoding="utf-8"))
        return named["subscription_id"], named["resource_group"], named["workspace_name"]
    except (OSError, ValueError, TypeError, KeyError):
        raise WorkspaceError(
            f"{path} is no workspace's config.json: it needs subscription_id, resource_group and "
            "workspace_name. Download it anew from the workspace's page in Azure ML studio."
        ) from None


def require_config(start: Path) -> Path:
    """Look for a config.json; see `find_config`.

    Raises:
        WorkspaceError: There is none.
    """
    config = find_config(start)
    if config is None:
        raise WorkspaceError(
            f"No workspace is configured: there is no .azureml/config.json in {start} or a "
            "folder above it. Download config.json from the workspace's page in Azure ML studio, "
            "or name the workspace with --subscription, --resource-group and --workspace. "
            "To try it without Azure, add --emulator."
        )
    return config
