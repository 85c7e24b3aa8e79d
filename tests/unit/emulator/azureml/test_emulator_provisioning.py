"""Clusters that a client makes, scales and removes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.service_client import ServiceClient

from submitter.emulator.arm import ResourceManager
from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.computes import Computes
from submitter.emulator.azureml.provisioning import Provisioning
from submitter.emulator.compute import Compute
from submitter.emulator.config import ComputeConfig
from submitter.emulator.entra import Entra
from submitter.emulator.service import Problem


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[Compute]:
    """Make a compute without targets, and end it."""
    made = Compute({}, tmp_path / "runs", sys.executable)
    yield made
    made.stop()


@pytest.fixture
def client(
    compute: Compute, access: Access, entra: Entra, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of the computes of a workspace that has one target."""
    computes = Computes(access, {"given": ComputeConfig(max_nodes=1)}, compute)
    routes = Provisioning(access.workspace, computes).routes()
    manager = ResourceManager(access.workspace, entra, routes)
    return client_of(manager.service(), f"{access.workspace.resource_id}/computes")


def cluster(kind: str = "AmlCompute", nodes: int = 3, **properties: Any) -> dict[str, Any]:
    """Describe a cluster, as a client sends it."""
    scale = {"scaleSettings": {"maxNodeCount": nodes}}
    return {"properties": {"computeType": kind, "properties": {**scale, **properties}}}


def test_a_new_cluster_takes_runs(client: ServiceClient, compute: Compute) -> None:
    """Its order is done when a client asks for it."""
    answer = client.send("PUT", "/made", cluster(vmSize="STANDARD_D2_V2"))
    assert compute.targets == {"given": 1, "made": 3}
    operation = answer.headers["Azure-AsyncOperation"].partition("management.azure.com")[2]
    everywhere = ServiceClient(client.service, client.token)
    assert everywhere.ask("GET", operation)["status"] == "Succeeded"


def test_a_cluster_is_scaled_and_removed(client: ServiceClient, compute: Compute) -> None:
    """Scaling to fewer nodes and back leaves as many workers as there are nodes."""
    client.send("PATCH", "/given", cluster(nodes=4))
    client.send("PATCH", "/given", cluster(nodes=2))
    assert compute.targets == {"given": 2}
    assert client.ask("POST", "/given/listNodes") == {"nodes": []}
    client.send("DELETE", "/given")
    assert compute.targets == {}


def test_the_size_of_a_cluster_stays(client: ServiceClient) -> None:
    """Making one again is fine as long as it is the same."""
    client.send("PUT", "/given", cluster(nodes=1, vmSize="Standard_DS2_v2"))
    with pytest.raises(Problem, match="cannot be changed"):
        client.send("PUT", "/given", cluster(vmSize="STANDARD_NC6"))


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", "/made", cluster(kind="AKS"), "type AKS"),
        ("PUT", "/made", cluster(subnet={"id": "x"}), "virtual network"),
        ("PUT", "/made", cluster(nodes=-1), "at least 1"),
        ("PATCH", "/given", {"identity": {"type": "SystemAssigned"}}, "identities"),
        ("PATCH", "/none", cluster(), "none not found"),
        ("DELETE", "/none", None, "none not found"),
    ],
)
def test_what_is_not_played_is_refused(
    client: ServiceClient, compute: Compute, method: str, path: str, body: Any, message: str
) -> None:
    """No target is left behind by an order that fails."""
    with pytest.raises(Problem, match=message):
        client.send(method, path, body)
    assert compute.targets == {"given": 1}
