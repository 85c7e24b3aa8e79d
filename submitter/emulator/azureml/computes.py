"""The workspace's compute targets, as the SDK lists and reads them."""

import threading
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed
from submitter.emulator.compute import Compute
from submitter.emulator.config import ComputeConfig
from submitter.emulator.container import Box
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import PROVIDER, WORKSPACE_PATH

_PRIORITIES = {"dedicated": "Dedicated", "lowpriority": "LowPriority"}
_NOT_MADE = [{"error": {"code": "ProvisioningFailed", "message": "The cluster was not made."}}]


class Computes:
    """The compute targets and what the workspace says about them.

    Args:
        access: The workspace's front.
        targets: The compute targets by name.
        compute: Carries their runs out.
    """

    def __init__(
        self, access: Access, targets: Mapping[str, ComputeConfig], compute: Compute
    ) -> None:
        self._access = access
        self._compute = compute
        self._targets: dict[str, ComputeConfig] = {}
        self._lock = threading.Lock()
        self._created = iso(now())
        for name, target in targets.items():
            self.put(name, target)

    def service(self) -> Service:
        """Return the compute routes of the workspace's resource provider."""
        base = f"/rp/workspaces{WORKSPACE_PATH}/computes"
        return self._access.service(
            "computes",
            Route("GET", base, self._list),
            Route("GET", f"{base}/{{name}}", self._get),
        )

    def get(self, name: str) -> ComputeConfig | None:
        """Return a target, or None if there is none of that name."""
        with self._lock:
            return self._targets.get(name)

    def identity_of(self, name: str) -> str | None:
        """Return the name of the managed identity that a target's runs have, if they have one."""
        target = self.get(name)
        return target.identity if target else None

    def put(self, name: str, target: ComputeConfig) -> None:
        """Make a target, or change one."""
        with self._lock:
            self._targets[name] = target
            is_made = target.provisioning_state == "Succeeded"
            self._compute.resize(name, target.max_nodes, target.node_quota if is_made else 0)
            box = Box(target.image, target.memory) if target.image is not None else None
            self._compute.put_in(name, box)

    def remove(self, name: str) -> None:
        """Remove a target; what it runs already ends as it would."""
        with self._lock:
            if self._targets.pop(name, None) is not None:
                self._compute.remove(name)

    def _list(self, _call: Call) -> Response:
        with self._lock:
            targets = dict(self._targets)
        return listed([self._describe(name, target) for name, target in targets.items()])

    def _get(self, call: Call) -> Response:
        return JSONResponse(self.describe(call.parameters["name"]))

    def describe(self, name: str) -> Mapping[str, Any]:
        """Return a target as the service writes it.

        Raises:
            Problem: There is none of that name.
        """
        target = self.get(name)
        if target is None:
            raise Problem(404, "ComputeNotFound", f"Compute named {name} not found.")
        return self._describe(name, target)

    def _describe(self, name: str, target: ComputeConfig) -> Mapping[str, Any]:
        """Write a target; `userAccountCredentials` must be absent, null crashes the SDK."""
        workspace = self._access.workspace
        made = target.provisioning_state == "Succeeded"
        counts = self._compute.counts(name)
        busy = counts.preparing + counts.running
        present = max(target.min_nodes, busy) if made else 0
        lacking = _beyond_quota(target, counts.wanted)
        cluster = {
            "vmSize": target.vm_size,
            "vmPriority": _PRIORITIES[target.vm_priority],
            "osType": "Linux",
            "allocationState": "Steady",
            "allocationStateTransitionTime": self._created,
            "errors": [lacking] if lacking else None,
            "currentNodeCount": present,
            "targetNodeCount": present,
            "scaleSettings": {
                "minNodeCount": target.min_nodes,
                "maxNodeCount": target.max_nodes,
                "nodeIdleTimeBeforeScaleDown": "PT120S",
            },
            "nodeStateCounts": {
                "preparingNodeCount": counts.preparing,
                "runningNodeCount": counts.running,
                "idleNodeCount": present - busy if made else 0,
                "unusableNodeCount": 0,
                "leavingNodeCount": 0,
                "preemptedNodeCount": 0,
            },
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
                "provisioningState": target.provisioning_state,
                "provisioningErrors": _NOT_MADE if target.provisioning_state == "Failed" else None,
                "provisioningWarnings": {},
                "createdOn": self._created,
                "modifiedOn": self._created,
                "resourceId": None,
                "isAttachedCompute": False,
                "disableLocalAuth": False,
                "properties": cluster,
            },
        }


def _beyond_quota(target: ComputeConfig, wanted: int) -> Mapping[str, Any] | None:
    """Return what the service says of a cluster that cannot grow to what a run waits for."""
    if target.node_quota is None or wanted <= target.node_quota:
        return None
    message = (
        f"Operation results in exceeding quota limits of Core. Maximum allowed: "
        f"{target.node_quota} nodes, requested: {wanted} nodes."
    )
    return {"error": {"code": "ClusterCoreQuotaReached", "message": message}}
