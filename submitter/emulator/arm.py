"""Azure Resource Manager, as far as a sign-in, `Workspace.get` and `ComputeTarget` ask it."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator import roles
from submitter.emulator.entra import Entra, TokenError
from submitter.emulator.service import Call, Claims, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import PROVIDER, WORKSPACE_PATH, Workspace

HOST = "management.azure.com"
PERMISSIONS = "providers/Microsoft.Authorization/permissions"
AUDIENCES = ("https://management.core.windows.net/", "https://management.azure.com/")


class ResourceManager:
    """Knows one subscription with one workspace.

    Args:
        workspace: The workspace.
        entra: Validates tokens.
        routes: Routes for what is inside the workspace.
    """

    def __init__(self, workspace: Workspace, entra: Entra, routes: Sequence[Route] = ()) -> None:
        self._workspace = workspace
        self._routes = tuple(routes)
        self._entra = entra
        self._created = iso(now())

    def service(self) -> Service:
        """Return Resource Manager's routes."""
        return Service(
            "arm",
            HOST,
            (
                Route("GET", "/metadata/endpoints", _list_clouds, public=True),
                Route("GET", "/subscriptions", self._list_subscriptions),
                Route("GET", "/subscriptions/{subscription}/resources", self._list_workspaces),
                Route("GET", WORKSPACE_PATH, self._get_workspace),
                Route("GET", f"{WORKSPACE_PATH}/{PERMISSIONS}", self._list_permissions),
                *self._routes,
            ),
            authenticate=self._authenticate,
        )

    def _authenticate(self, call: Call) -> Claims:
        token = call.bearer_token
        if token is None:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise Problem(401, "AuthenticationFailed", message)
        try:
            return self._entra.validate(token, *AUDIENCES)
        except TokenError as error:
            raise Problem(401, "InvalidAuthenticationToken", str(error)) from None

    def _list_subscriptions(self, _call: Call) -> Response:
        subscription = self._workspace.subscription_id
        entry = {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": self._workspace.tenant_id,
            "displayName": "emulator",
            "state": "Enabled",
            "authorizationSource": "RoleBased",
        }
        return JSONResponse({"value": [entry]})

    def _list_workspaces(self, call: Call) -> Response:
        """List what `Workspace.list` filters a subscription's resources for."""
        known = call.parameters["subscription"].lower() == self._workspace.subscription_id.lower()
        return JSONResponse({"value": [self._describe_workspace()] if known else []})

    def _list_permissions(self, call: Call) -> Response:
        """List what the caller may do, for whoever may see the workspace at all."""
        self._get_workspace(call)
        role = roles.role_of(self._entra, call.claims)
        granted = {
            "actions": role.actions,
            "notActions": role.not_actions,
            "dataActions": [],
            "notDataActions": [],
        }
        return JSONResponse({"value": [granted]})

    def _get_workspace(self, call: Call) -> Response:
        asked = call.parameters
        if not self._workspace.is_named(
            asked["subscription"], asked["resource_group"], asked["workspace"]
        ):
            raise Problem(
                404,
                "ResourceNotFound",
                f"The Resource '{PROVIDER}/workspaces/{asked['workspace']}' under resource group "
                f"'{asked['resource_group']}' was not found.",
            )
        roles.require(self._entra, call.claims, roles.READ_WORKSPACE, self._workspace.resource_id)
        return JSONResponse(self._describe_workspace())

    def _describe_workspace(self) -> Mapping[str, Any]:
        workspace = self._workspace
        providers = f"{workspace.group_path}/providers"
        properties = {
            "workspaceId": workspace.workspace_id,
            "friendlyName": workspace.name,
            "description": "",
            "provisioningState": "Succeeded",
            "creationTime": self._created,
            "discoveryUrl": f"{workspace.api_url}/discovery",
            "hbiWorkspace": False,
            "storageAccount": (
                f"{providers}/Microsoft.Storage/storageAccounts/{workspace.storage_account}"
            ),
            "keyVault": f"{providers}/Microsoft.KeyVault/vaults/{workspace.vault}",
            "applicationInsights": f"{providers}/Microsoft.Insights/components/emulator",
            "containerRegistry": None,
        }
        return {
            "id": workspace.resource_id,
            "name": workspace.name,
            "type": f"{PROVIDER}/workspaces",
            "location": workspace.region,
            "tags": {},
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": properties,
        }


def _list_clouds(_call: Call) -> Response:
    """List no clouds but the public one, which every client knows anyway."""
    return JSONResponse([])
