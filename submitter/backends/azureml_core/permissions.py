"""What an identity's roles on a workspace allow, as Azure Resource Manager lists it.

https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource. The list tells of
roles alone: deny assignments and locks are not in it.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

_RESOURCE_MANAGER = "https://management.azure.com"  # of Azure's public cloud
_VERSION = "2022-04-01"
_TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte


@dataclass(frozen=True)
class Permission:
    """One grant: patterns of actions, and those that are taken out of it again."""

    actions: Sequence[str]
    not_actions: Sequence[str]

    def allows(self, action: str) -> bool:
        """Say whether this grant, alone, allows an action."""
        return _matches(action, self.actions) and not _matches(action, self.not_actions)


def granted_on(workspace: Any) -> Sequence[Permission]:
    """Ask for the permissions of whoever opened a workspace.

    Args:
        workspace: The azureml-core `Workspace`.

    Raises:
        requests.HTTPError: The service refused.
    """
    response = requests.get(
        f"{_RESOURCE_MANAGER}{_resource_id(workspace)}/providers/Microsoft.Authorization/permissions",
        params={"api-version": _VERSION},
        headers=workspace.service_context.get_auth().get_authentication_header(),
        timeout=_TIMEOUT,
    )
    response.raise_for_status()
    return [_permission(each) for each in response.json()["value"]]


def _resource_id(workspace: Any) -> str:
    return (
        f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
    )


def _permission(sent: Mapping[str, Any]) -> Permission:
    return Permission(sent.get("actions") or (), sent.get("notActions") or ())


def _matches(action: str, patterns: Sequence[str]) -> bool:
    """Compare as Azure does: without regard to case, `*` for anything."""
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
