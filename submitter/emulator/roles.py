"""Built-in roles of Azure, as far as they decide who may submit a run.

The lists are those of "Azure built-in roles", shortened to what the emulator asks for:
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from submitter.emulator.entra import Entra
from submitter.emulator.service import Claims, Problem

_ML = "Microsoft.MachineLearningServices/workspaces"
SUBMIT = f"{_ML}/experiments/runs/submit/action"
REGISTER_ENVIRONMENT = f"{_ML}/environments/write"
READ_WORKSPACE = f"{_ML}/read"


@dataclass(frozen=True)
class Role:
    """What somebody may do.

    Attributes:
        actions: Patterns of what is allowed.
        not_actions: Patterns of what is taken away from that.
    """

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()

    def permits(self, action: str) -> bool:
        """Say whether an action is allowed."""
        return _matches(action, self.actions) and not _matches(action, self.not_actions)


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "Owner": Role(("*",)),
        "Contributor": Role(
            ("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
        ),
        "AzureML Data Scientist": Role(
            (*(f"{_ML}/*/{verb}" for verb in ("read", "action", "delete", "write")), f"{_ML}/read"),
            (f"{_ML}/delete", f"{_ML}/write", f"{_ML}/computes/write", f"{_ML}/computes/delete"),
        ),
        "Reader": Role(("*/read",)),
        "none": Role(),
    }
)


def role_of(entra: Entra, claims: Claims) -> Role:
    """Return the role that a caller has on the workspace; a run with its own token may do all."""
    principal = entra.principals.get(str(claims.get("appid")))
    return ROLES[principal.role if principal else "Owner"]


def require(entra: Entra, claims: Claims, action: str, scope: str) -> None:
    """Refuse a caller that may not do something.

    Args:
        entra: Knows the principals and their roles.
        claims: What the caller's token says.
        action: What is asked for.
        scope: The workspace's resource id.

    Raises:
        Problem: 403, as Resource Manager writes it.
    """
    if role_of(entra, claims).permits(action):
        return
    message = (
        f"The client '{claims.get('appid')}' with object id '{claims.get('oid')}' does not have "
        f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid."
    )
    raise Problem(403, "AuthorizationFailed", message)


def _matches(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
