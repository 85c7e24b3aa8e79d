"""Distributed runs: how many processes over how many nodes, and how each knows its place.

The variables are those of "Distributed GPU training guide (SDK v1)",
https://learn.microsoft.com/azure/machine-learning/v1/how-to-train-distributed-gpu, and for the
`AZ_BATCH_…` ones of "Azure Batch runtime environment variables",
https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from submitter.emulator.service import Problem

# Every node is this machine.
HOST = "127.0.0.1"
_MPI = frozenset({"intelmpi", "openmpi", "mpi"})
_PYTORCH = frozenset({"nccl", "gloo"})


@dataclass(frozen=True)
class Seat:
    """The place of one process.

    Attributes:
        node: The number of its node, from 0.
        variables: What tells the process where it is.
    """

    node: int
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Distribution:
    """The processes of a run.

    Attributes:
        kind: `mpi`, `pytorch`, or nothing for one process that knows of no others.
        nodes: Over how many nodes.
        per_node: How many on each.
    """

    kind: str = ""
    nodes: int = 1
    per_node: int = 1

    @property
    def processes(self) -> int:
        """How many there are in all."""
        return self.nodes * self.per_node

    def log(self, number: int, attempt: int) -> str:
        """Return the path of a process's log in the run's files.

        Args:
            number: The process, from 0.
            attempt: 0, and one more each time the run was started again after a preemption.
        """
        folder = f"user_logs/retry_{attempt:03}" if attempt else "user_logs"
        if self.processes == 1:
            return f"{folder}/std_log.txt"
        digits = len(str(self.processes - 1))
        return f"{folder}/std_log_process_{number:0{digits}}.txt"

    def seats(self) -> list[Seat]:
        """Return the place of each process, on a port for their meeting that is free now."""
        port = str(_free_port()) if self.kind else ""
        return [
            Seat(node, self._variables(node, local, port))
            for node in range(self.nodes)
            for local in range(self.per_node)
        ]

    def _variables(self, node: int, local: int, port: str) -> Mapping[str, str]:
        if self.kind == "mpi":
            return self._mpi(node, local, port)
        if self.kind == "pytorch":
            return self._pytorch(node, local, port)
        return {}

    def _pytorch(self, node: int, local: int, port: str) -> Mapping[str, str]:
        return {
            "MASTER_ADDR": HOST,
            "MASTER_PORT": port,
            "WORLD_SIZE": str(self.processes),
            "RANK": str(node * self.per_node + local),
            "LOCAL_RANK": str(local),
            "NODE_RANK": str(node),
        }

    def _mpi(self, node: int, local: int, port: str) -> Mapping[str, str]:
        hosts = [HOST] * self.nodes
        return {
            "OMPI_COMM_WORLD_RANK": str(node * self.per_node + local),
            "OMPI_COMM_WORLD_SIZE": str(self.processes),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(local),
            "OMPI_COMM_WORLD_LOCAL_SIZE": str(self.per_node),
            "OMPI_COMM_WORLD_NODE_RANK": str(local),
            "OMPI_UNIVERSE_SIZE": str(self.processes),
            "AZ_BATCH_MASTER_NODE": f"{HOST}:{port}",
            "AZ_BATCH_HOST_LIST": ",".join(hosts),
            "AZ_BATCH_NODE_LIST": ";".join(hosts),
            "AZ_BATCH_IS_CURRENT_NODE_MASTER": str(node == 0).lower(),
            "AZ_BATCHAI_MPI_MASTER_NODE": HOST,
        }


def read_distribution(definition: Mapping[str, Any]) -> Distribution:
    """Return how a submitted run is distributed.

    Args:
        definition: The run configuration, its outer keys in camel case.

    Raises:
        Problem: It asks for what the emulator does not play, or what cannot be.
    """
    nodes = _count(definition.get("nodeCount"))
    framework = str(definition.get("framework") or "Python")
    communicator = str(definition.get("communicator") or "None")
    if framework == "Python" and communicator.lower() in _MPI:
        mpi = definition.get("mpi") or {}
        return Distribution("mpi", nodes, _count(mpi.get("processCountPerNode")))
    if framework == "PyTorch" and communicator.lower() in _PYTORCH:
        # Left out, Azure ML starts one process on each node, which starts the others itself.
        processes = _count((definition.get("pytorch") or {}).get("processCount"), nodes)
        if processes % nodes:
            raise not_played(f"{processes} processes spread unevenly over {nodes} nodes")
        return Distribution("pytorch", nodes, processes // nodes)
    if framework != "Python" or communicator != "None":
        raise not_played(f"the framework {framework} with the communicator {communicator}")
    if nodes > 1:
        raise not_played("more than one node (nodeCount > 1) without MPI or PyTorch")
    return Distribution()


def not_played(what: str) -> Problem:
    """Make the refusal of something that Azure ML does."""
    return Problem(
        400, "NotPlayedByEmulator", f"The emulator's compute does not play {what}; Azure ML does."
    )


def _count(sent: Any, default: int = 1) -> int:
    if sent is None:
        return default
    try:
        count = int(sent)
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        raise Problem(400, "UserError", "Counts of nodes and processes must be at least 1.")
    return count


def _free_port() -> int:
    """Return a port that nobody listens on now; nothing keeps it free."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port
