"""The workspace's compute targets, as the SDK lists and reads them."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed
from submitter.emulator.config import ComputeConfig
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import PROVIDER, WORKSPACE_PATH


class Computes:
    """Serves the description of the compute targets; they cannot be made or changed.

    Args:
        access: The workspace's front.
        targets: The compute targets by name.
    """

    def __init__(self, access: Access, targets: Mapping[str, ComputeConfig]) -> None:
        self._access = access
        self._targets = targets
        self._created = iso(now())

    def service(self) -> Service:
        """Return the compute routes of the workspace's resource provider."""
        base = f"/rp/workspaces{WORKSPACE_PATH}/computes"
        return self._access.service(
            "computes",
            Route("GET", base, self._list),
            Route("GET", f"{base}/{{name}}", self._get),
        )

    def _list(self, _call: Call) -> Response:
        return listed([self._describe(name) for name in self._targets])

    def _get(self, call: Call) -> Response:
        name = call.parameters["name"]
        if name not in self._targets:
            raise Problem(404, "ComputeNotFound", f"Compute named {name} not found.")
        return JSONResponse(self._describe(name))

    def _describe(self, name: str) -> Mapping[str, Any]:
        """Write a target; `userAccountCredentials` must be absent, null crashes the SDK."""
        workspace = self._access.workspace
        target = self._targets[name]
        states = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
        cluster = {
            "vmSize": target.vm_size,
            "vmPriority": "Dedicated",
            "osType": "Linux",
            "allocationState": "Steady",
            "allocationStateTransitionTime": self._created,
            "errors": None,
            "currentNodeCount": 0,
            "targetNodeCount": 0,
            "scaleSettings": {
                "minNodeCount": 0,
                "maxNodeCount": target.max_nodes,
                "nodeIdleTimeBeforeScaleDown": "PT120S",
            },
            "nodeStateCounts": dict.fromkeys((f"{state}NodeCount" for state in states), 0),
            "subnet": None,
            "virtualMachineImage": None,
            "remoteLoginPortPublicAccess": "NotSpecified",
            "enableNodePublicIp": True,
        }
        return {
            "id": f"{workspace.resource_id}/computes/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/computes",
            "location": workspace.region,
            "tags": {},
            "properties": {
                "computeType": "AmlCompute",
                "computeLocation": workspace.region,
                "description": "",
                "provisioningState": "Succeeded",
                "provisioningErrors": None,
                "provisioningWarnings": {},
                "createdOn": self._created,
                "modifiedOn": self._created,
                "resourceId": None,
                "isAttachedCompute": False,
                "disableLocalAuth": False,
                "properties": cluster,
            },
        }
