"""Making, changing and removing compute clusters, which azureml-core asks of Resource Manager."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.computes import Computes
from submitter.emulator.config import ComputeConfig
from submitter.emulator.service import Call, Problem, Route
from submitter.emulator.workspace import PROVIDER, WORKSPACE_PATH, Workspace


class Provisioning:
    """Changes the compute targets; every change is done when its request is answered.

    Args:
        workspace: The workspace.
        computes: Its compute targets.
    """

    def __init__(self, workspace: Workspace, computes: Computes) -> None:
        self._workspace = workspace
        self._computes = computes

    def routes(self) -> tuple[Route, ...]:
        """Return the routes, for Resource Manager."""
        operations = "/subscriptions/{subscription}/providers/{provider}/locations/{region}"
        compute = f"{WORKSPACE_PATH}/computes/{{name}}"
        return (
            Route("GET", f"{operations}/computeOperationsStatus/{{operation}}", _has_succeeded),
            *self._compute_routes(compute),
            # Some calls of azureml-core join host and resource id with one slash too many.
            *self._compute_routes(f"/{compute}"),
        )

    def _compute_routes(self, compute: str) -> tuple[Route, ...]:
        return (
            Route("PUT", compute, self._create),
            Route("PATCH", compute, self._change),
            Route("DELETE", compute, self._delete),
            Route("POST", f"{compute}/listNodes", self._list_nodes),
        )

    def _create(self, call: Call) -> Response:
        self._check_workspace(call)
        sent = (call.json or {}).get("properties") or {}
        kind = sent.get("computeType")
        if kind != "AmlCompute":
            raise _not_played(f"compute targets of type {kind}, only AmlCompute")
        cluster = sent.get("properties") or {}
        if cluster.get("subnet"):
            raise _not_played("compute clusters in a virtual network")
        name = call.parameters["name"]
        present = self._computes.get(name) or ComputeConfig()
        vm_size = str(cluster.get("vmSize") or present.vm_size)
        if self._computes.get(name) and vm_size.upper() != present.vm_size.upper():
            message = (
                f"Compute '{name}' exists with VM size {present.vm_size}, which cannot be changed."
            )
            raise Problem(400, "BadRequest", message)
        return self._put(name, replace(present, vm_size=vm_size), cluster, status=201)

    def _change(self, call: Call) -> Response:
        self._check_workspace(call)
        if (call.json or {}).get("identity"):
            raise _not_played("identities of compute clusters")
        name = call.parameters["name"]
        present = self._existing(name)
        cluster = ((call.json or {}).get("properties") or {}).get("properties") or {}
        return self._put(name, present, cluster, status=200)

    def _put(
        self, name: str, target: ComputeConfig, cluster: Mapping[str, Any], *, status: int
    ) -> Response:
        scale = cluster.get("scaleSettings") or {}
        try:
            target = replace(
                target,
                min_nodes=int(scale.get("minNodeCount", target.min_nodes)),
                max_nodes=int(scale.get("maxNodeCount") or target.max_nodes),
                vm_priority=str(cluster.get("vmPriority") or target.vm_priority).lower(),  # type: ignore[arg-type]
            )
        except ValueError as error:
            raise Problem(400, "BadRequest", f"Compute '{name}': {error}.") from None
        self._computes.put(name, target)
        return JSONResponse(self._computes.describe(name), status, self._operation())

    def _delete(self, call: Call) -> Response:
        self._check_workspace(call)
        self._existing(call.parameters["name"])
        self._computes.remove(call.parameters["name"])
        return Response(status_code=202, headers=self._operation())

    def _list_nodes(self, call: Call) -> Response:
        """List no nodes: what a cluster of the emulator runs, runs on this machine."""
        self._check_workspace(call)
        self._existing(call.parameters["name"])
        return JSONResponse({"nodes": []})

    def _existing(self, name: str) -> ComputeConfig:
        present = self._computes.get(name)
        if present is None:
            raise Problem(404, "ComputeNotFound", f"Compute named {name} not found.")
        return present

    def _check_workspace(self, call: Call) -> None:
        asked = call.parameters
        if not self._workspace.is_named(
            asked["subscription"], asked["resource_group"], asked["workspace"]
        ):
            message = f"Workspace '{asked['workspace']}' was not found."
            raise Problem(404, "ResourceNotFound", message)

    def _operation(self) -> Mapping[str, str]:
        """Return the header that tells where a client may ask how its order goes."""
        subscription, region = self._workspace.subscription_id, self._workspace.region
        address = (
            f"https://management.azure.com/subscriptions/{subscription}/providers/{PROVIDER}"
            f"/locations/{region}/computeOperationsStatus/{uuid.uuid4()}"
        )
        return {"Azure-AsyncOperation": address}


def _has_succeeded(call: Call) -> Response:
    return JSONResponse({"id": call.parameters["operation"], "status": "Succeeded"})


def _not_played(what: str) -> Problem:
    return Problem(400, "NotPlayedByEmulator", f"The emulator does not play {what}; Azure does.")
