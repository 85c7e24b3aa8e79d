"""What the workspace says of its compute targets."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.service_client import ServiceClient

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.computes import Computes
from submitter.emulator.compute import Compute
from submitter.emulator.config import ComputeConfig
from submitter.emulator.jobs import Job, Rank

TARGETS = {
    "usual": ComputeConfig(max_nodes=3, min_nodes=1, vm_priority="lowpriority"),
    "full": ComputeConfig(max_nodes=4, node_quota=1),
    "broken": ComputeConfig(provisioning_state="Failed"),
}


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[Compute]:
    """Make a compute without targets, and end it."""
    made = Compute({}, tmp_path / "runs", sys.executable, grace=0.2)
    yield made
    made.stop()


@pytest.fixture
def client(
    compute: Compute, access: Access, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of the computes of a workspace."""
    base = f"/rp/workspaces{access.workspace.resource_id}/computes"
    return client_of(Computes(access, TARGETS, compute).service(), base)


class Waiting:
    """A report that lets a test wait until its job runs."""

    def __init__(self, pipe: Path) -> None:
        self.pipe = pipe

    def queued(self) -> None: ...

    def preparing(self) -> None: ...

    def running(self) -> None:
        self.pipe.write_text("running")

    def ended(self, *_: Any) -> None: ...


def occupy(compute: Compute, target: str, nodes: int, folder: Path) -> Path:
    """Submit a job that never ends; reading the pipe waits until it runs."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    compute.submit(
        Job(
            run_id="busy",
            target=target,
            nodes=nodes,
            script=None,
            arguments=(),
            command="sleep 600",
            environment={},
            lay_out=lambda _: None,
            ranks=lambda _: [Rank(node, {}, folder / "log") for node in range(nodes)],
        ),
        Waiting(pipe),
    )
    return pipe


def test_nodes_are_counted_by_what_they_do(
    client: ServiceClient, compute: Compute, tmp_path: Path
) -> None:
    """An idle one is kept; two that run make two."""
    idle = client.ask("GET", "/usual")["properties"]["properties"]
    assert (idle["currentNodeCount"], idle["nodeStateCounts"]["idleNodeCount"]) == (1, 1)
    assert (idle["vmPriority"], idle["scaleSettings"]["maxNodeCount"]) == ("LowPriority", 3)
    occupy(compute, "usual", 2, tmp_path).read_text()
    busy = client.ask("GET", "/usual")["properties"]["properties"]
    counts = {name: count for name, count in busy["nodeStateCounts"].items() if count}
    assert (busy["currentNodeCount"], counts) == (2, {"runningNodeCount": 2})


def test_a_quota_keeps_a_cluster_from_growing(
    client: ServiceClient, compute: Compute, tmp_path: Path
) -> None:
    """The run waits, and the cluster says for what."""
    assert client.ask("GET", "/full")["properties"]["properties"]["errors"] is None
    occupy(compute, "full", 2, tmp_path)
    [error] = client.ask("GET", "/full")["properties"]["properties"]["errors"]
    assert error["error"]["code"] == "ClusterCoreQuotaReached"
    assert compute.counts("full").wanted == 2


def test_a_cluster_that_was_not_made_says_so(client: ServiceClient) -> None:
    """It has no nodes."""
    broken = client.ask("GET", "/broken")["properties"]
    assert broken["provisioningState"] == "Failed"
    assert broken["provisioningErrors"][0]["error"]["message"]
    assert broken["properties"]["currentNodeCount"] == 0
