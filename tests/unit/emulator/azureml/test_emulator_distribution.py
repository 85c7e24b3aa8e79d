"""Distributed runs: counts, places, variables, logs."""

from typing import Any

import pytest

from submitter.emulator.azureml.distribution import Distribution, read_distribution
from submitter.emulator.service import Problem

PLAIN = {"framework": "Python", "communicator": "None", "nodeCount": 1}


def sent(**changes: Any) -> dict[str, Any]:
    """Describe a run as azureml-core 1.61 does."""
    return {
        **PLAIN,
        "mpi": {"processCountPerNode": 1, "nodeCount": 1},
        "pytorch": {"communicationBackend": "nccl", "processCount": None, "nodeCount": 1},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Distribution("", 1, 1)),
        (
            {"communicator": "IntelMpi", "nodeCount": 3, "mpi": {"processCountPerNode": 2}},
            Distribution("mpi", 3, 2),
        ),
        (
            {
                "framework": "PyTorch",
                "communicator": "nccl",
                "nodeCount": 2,
                "pytorch": {"processCount": 4},
            },
            Distribution("pytorch", 2, 2),
        ),
        (
            {"framework": "PyTorch", "communicator": "gloo", "nodeCount": 2},
            Distribution("pytorch", 2, 1),
        ),
    ],
)
def test_counts_are_those_of_the_configuration(
    changes: dict[str, Any], expected: Distribution
) -> None:
    """MPI counts processes a node, PyTorch all of them, or one a node if none are given."""
    assert read_distribution(sent(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodeCount": "many"}, "at least 1"),
        ({"communicator": "OpenMpi", "mpi": {"processCountPerNode": -1}}, "at least 1"),
        (
            {"framework": "PyTorch", "communicator": "Nccl", "nodeCount": 2}
            | {"pytorch": {"processCount": 5}},
            "5 processes spread unevenly over 2 nodes",
        ),
        ({"framework": "TensorFlow", "communicator": "ParameterServer"}, "TensorFlow"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    """By name."""
    with pytest.raises(Problem, match=message):
        read_distribution(sent(**changes))


def test_pytorch_processes_know_where_to_meet() -> None:
    """Ranks count through all nodes, local ranks on each; the port is one for all."""
    seats = Distribution("pytorch", 2, 2).seats()
    assert [seat.node for seat in seats] == [0, 0, 1, 1]
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")
    assert [tuple(seat.variables[name] for name in names) for seat in seats] == [
        *(("0", "0", "0", "4"), ("1", "1", "0", "4")),
        *(("2", "0", "1", "4"), ("3", "1", "1", "4")),
    ]
    [(address, port)] = {
        (seat.variables["MASTER_ADDR"], seat.variables["MASTER_PORT"]) for seat in seats
    }
    assert address == "127.0.0.1"
    assert port.isdigit()


def test_mpi_processes_have_open_mpis_variables() -> None:
    """And those of Azure Batch by which scripts find the first node."""
    last = Distribution("mpi", 2, 3).seats()[-1].variables
    master = last["AZ_BATCH_MASTER_NODE"]
    assert master.startswith("127.0.0.1:")
    assert last == {
        "OMPI_COMM_WORLD_RANK": "5",
        "OMPI_COMM_WORLD_SIZE": "6",
        "OMPI_COMM_WORLD_LOCAL_RANK": "2",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "3",
        "OMPI_COMM_WORLD_NODE_RANK": "2",
        "OMPI_UNIVERSE_SIZE": "6",
        "AZ_BATCH_MASTER_NODE": master,
        "AZ_BATCH_HOST_LIST": "127.0.0.1,127.0.0.1",
        "AZ_BATCH_NODE_LIST": "127.0.0.1;127.0.0.1",
        "AZ_BATCH_IS_CURRENT_NODE_MASTER": "false",
        "AZ_BATCHAI_MPI_MASTER_NODE": "127.0.0.1",
    }


def test_a_single_process_knows_of_no_others() -> None:
    """No variable at all."""
    assert [seat.variables for seat in Distribution().seats()] == [{}]


def test_logs_are_numbered_with_as_many_digits_as_the_last_one_has() -> None:
    """One process has a plain name, and what starts again a folder."""
    assert Distribution().log(0, 0) == "user_logs/std_log.txt"
    assert Distribution("mpi", 2, 5).log(3, 0) == "user_logs/std_log_process_3.txt"
    assert Distribution("mpi", 1, 11).log(3, 0) == "user_logs/std_log_process_03.txt"
    assert Distribution().log(0, 1) == "user_logs/retry_001/std_log.txt"
