"""A launcher's variables tell a process its place."""

import pytest

from remote_entry.errors import SettingsError
from remote_entry.extract.workers.ranks import Rank, find_rank
from submitter.emulator.azureml.distribution import Distribution

PYTORCH = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "29500"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}
BATCH = {"AZ_BATCH_MASTER_NODE": "10.0.0.4:6000", "AZ_BATCHAI_MPI_MASTER_NODE": "10.0.0.5"}


def place(**environ: str) -> tuple[str, int]:
    """Return where rank 0 is to be met."""
    rank = find_rank(environ)
    assert rank is not None
    assert (rank.number, rank.size) == (1, 2)
    return rank.host, rank.port


def test_pytorch_keeps_a_port_for_rank_0() -> None:
    """Nobody else listens there, unless torchrun's own store does."""
    assert place(**PYTORCH) == ("10.0.0.4", 29500)
    assert place(**PYTORCH, TORCHELASTIC_USE_AGENT_STORE="True") == ("10.0.0.4", 29501)


def test_under_mpi_the_port_of_azure_batch_is_left_alone() -> None:
    """Its documentation says so; MASTER_PORT is taken if there is one, or else 6105."""
    assert place(**MPI, **BATCH) == ("10.0.0.4", 6105)
    assert place(**MPI, **BATCH, MASTER_PORT="6200") == ("10.0.0.4", 6200)
    assert place(**MPI, AZ_BATCHAI_MPI_MASTER_NODE="10.0.0.5") == ("10.0.0.5", 6105)
    assert place(**MPI, AZ_BATCH_MASTER_NODE="10.0.0.6") == ("10.0.0.6", 6105)


def test_mpirun_on_one_machine_is_this_machine() -> None:
    """As many processes here as there are in all."""
    assert place(**{**MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}) == ("127.0.0.1", 6105)


def test_other_mpis_have_other_names() -> None:
    """As Intel MPI's and MPICH's mpiexec set them."""
    hydra = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALNRANKS": "2"}
    assert place(**hydra) == ("127.0.0.1", 6105)
    assert place(**{**hydra, "MPI_LOCALNRANKS": "1"}, **BATCH) == ("10.0.0.4", 6105)
    with pytest.raises(SettingsError, match="set REMOTE_ENTRY_CLUSTER_HOST"):
        find_rank({**hydra, "MPI_LOCALNRANKS": "1"})


def test_mpirun_elsewhere_must_be_told_where() -> None:
    """Without Azure's variables nothing says where rank 0 is."""
    with pytest.raises(SettingsError, match="set REMOTE_ENTRY_CLUSTER_HOST"):
        find_rank(MPI)
    assert place(**MPI, REMOTE_ENTRY_CLUSTER_HOST="node-0") == ("node-0", 6105)


def test_both_can_be_overruled() -> None:
    """By variables of ours."""
    own = {"REMOTE_ENTRY_CLUSTER_HOST": "n0", "REMOTE_ENTRY_CLUSTER_PORT": "7000"}
    assert place(**PYTORCH, **own) == place(**MPI, **BATCH, **own) == ("n0", 7000)


def test_the_inner_launcher_counts() -> None:
    """An mpirun that starts a torchrun on each node gives all processes of a node one rank."""
    outer = {**MPI, "OMPI_COMM_WORLD_RANK": "0", **BATCH}
    assert place(**outer, **PYTORCH) == ("10.0.0.4", 29500)


@pytest.mark.parametrize(
    "alone",
    [
        {},
        {"RANK": "0"},
        {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "n", "MASTER_PORT": "1"},
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"},
    ],
)
def test_one_process_is_not_distributed(alone: dict[str, str]) -> None:
    """Whoever launched it."""
    assert find_rank(alone) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"RANK": "2"}, "RANK is none of the ranks that WORLD_SIZE counts"),
        ({"RANK": "²"}, "RANK is no whole number"),
        ({"WORLD_SIZE": "-2"}, "WORLD_SIZE is no whole number"),
        ({"MASTER_PORT": "x"}, "MASTER_PORT is no whole number"),
        ({"MASTER_PORT": "70000"}, "70000 is no port for rank 0"),
        ({"MASTER_ADDR": ""}, "nothing says where rank 0 is"),
        ({"REMOTE_ENTRY_CLUSTER_DEADLINE": "soon"}, "REMOTE_ENTRY_CLUSTER_DEADLINE is not"),
    ],
)
def test_contradictions_are_told(change: dict[str, str], message: str) -> None:
    """By the variable's name; ² is no number."""
    with pytest.raises(SettingsError, match=message):
        find_rank({**PYTORCH, **change})


def test_the_job_has_a_name_that_its_ranks_share() -> None:
    """The run's id, or else what the launcher calls it."""
    names = {"AZUREML_RUN_ID": "run", "TORCHELASTIC_RUN_ID": "torch", "PMIX_NAMESPACE": "prte@1"}
    for expected in ("run", "torch", "prte@1", ""):
        rank = find_rank({**PYTORCH, **names})
        assert rank is not None
        assert rank.job == expected
        names.pop(next(iter(names), ""), None)


@pytest.mark.parametrize("kind", ["pytorch", "mpi"])
def test_the_emulators_launching_is_understood(kind: str) -> None:
    """Each of its processes finds its own place, and all the same rank 0."""
    seats = Distribution(kind, nodes=2, per_node=2).seats()
    ranks = [find_rank(seat.variables) for seat in seats]
    assert [rank.number for rank in ranks if rank] == [0, 1, 2, 3]
    assert len({(rank.host, rank.port, rank.size) for rank in ranks if rank}) == 1


def test_a_rank_is_named_in_logs() -> None:
    """As people count: from 0, of so many."""
    assert str(Rank(1, 3, "h", 1, "job")) == "rank 1 of 3"
