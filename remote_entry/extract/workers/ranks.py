"""Variables → a process's place in a job of several, and where its rank 0 is to be met; no I/O.

The launcher's variables suffice, so no MPI library is loaded:

    launched by          rank, size                     where rank 0 is
    PyTorch, torchrun    RANK, WORLD_SIZE               MASTER_ADDR, MASTER_PORT
    Open MPI             OMPI_COMM_WORLD_RANK, …_SIZE   AZ_BATCH_MASTER_NODE's host (Azure ML), else
    Intel MPI, MPICH     PMI_RANK, PMI_SIZE             AZ_BATCHAI_MPI_MASTER_NODE, else this host

The port: PyTorch's launchers keep MASTER_PORT free for rank 0 to listen on, and nothing else of an
extract does. Only torchrun may hold it itself; then the next one is taken. The port in
AZ_BATCH_MASTER_NODE is Azure Batch's own ("do not use the port specified here … port 6105 is a good
default choice", "Azure Batch runtime environment variables"), so under MPI it is MASTER_PORT if
that is set, or else 6105. REMOTE_ENTRY_CLUSTER_HOST and REMOTE_ENTRY_CLUSTER_PORT overrule all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from remote_entry.settings.variables import positive_seconds, settings_error

HOST_VARIABLE = "REMOTE_ENTRY_CLUSTER_HOST"
PORT_VARIABLE = "REMOTE_ENTRY_CLUSTER_PORT"
DEADLINE_VARIABLE = "REMOTE_ENTRY_CLUSTER_DEADLINE"
DEFAULT_PORT = 6105
DEFAULT_PATIENCE = 600.0  # one node may still pull its image when another has started

# Rank, size, and how many of them are on this host. Open MPI: "Environment variables set for MPI
# applications"; Intel MPI and MPICH: as their mpiexec (Hydra) was seen to set them.
_MPI = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
)
_THIS_HOST = "127.0.0.1"
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Rank:
    """A process's place among those of its job.

    Attributes:
        number: Its own, from 0.
        size: How many there are, at least 2.
        host: Where rank 0 is to be met.
        port: On which port.
        job: A name of the job that all its processes know, and only one job has.
        patience: Seconds in which all of them must have come.
    """

    number: int
    size: int
    host: str
    port: int
    job: str
    patience: float = DEFAULT_PATIENCE

    def __str__(self) -> str:
        return f"rank {self.number} of {self.size}"


@dataclass(frozen=True)
class End:
    """How serving rank 0 came to its end.

    Attributes:
        has_met: Whether rank 0 was there at all.
        farewell: What it said in the end; empty if it went without a word.
    """

    has_met: bool
    farewell: str = ""


def find_rank(environ: Mapping[str, str]) -> Rank | None:
    """Return this process's place; None if it is alone.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.

    Raises:
        SettingsError: They contradict each other, or do not say where rank 0 is.
    """
    variables = {name: value.strip() for name, value in environ.items()}
    problems: list[str] = []
    if variables.get("RANK") and variables.get("WORLD_SIZE"):
        number, size = _place("RANK", "WORLD_SIZE", variables, problems)
        host, port = variables.get("MASTER_ADDR", ""), _pytorch_port(variables, problems)
    elif names := next((each for each in _MPI if variables.get(each[1])), None):
        number, size = _place(*names[:2], variables, problems)
        host = _mpi_host(variables, all_are_here=variables.get(names[2]) == variables[names[1]])
        port = _number("MASTER_PORT", variables, DEFAULT_PORT, problems)
    else:
        return None
    if size == 1 and not problems:
        return None
    host = variables.get(HOST_VARIABLE) or host
    if not host:
        problems.append(f"nothing says where rank 0 is: set {HOST_VARIABLE} to its host")
    port = _number(PORT_VARIABLE, variables, port, problems)
    if not 0 < port <= _HIGHEST_PORT:
        problems.append(f"{port} is no port for rank 0: set {PORT_VARIABLE}")
    patience = positive_seconds(DEADLINE_VARIABLE, variables, DEFAULT_PATIENCE, problems)
    if problems:
        raise settings_error(problems)
    return Rank(number, size, host, port, _job(variables), patience)


def _place(
    number_name: str, size_name: str, variables: Mapping[str, str], problems: list[str]
) -> tuple[int, int]:
    """Return rank and size."""
    number = _number(number_name, variables, -1, problems)
    size = _number(size_name, variables, 0, problems)
    if not problems and not 0 <= number < size:
        problems.append(f"{number_name} is none of the ranks that {size_name} counts")
    return number, size


def _pytorch_port(variables: Mapping[str, str], problems: list[str]) -> int:
    port = _number("MASTER_PORT", variables, DEFAULT_PORT, problems)
    # torchrun says so if the store that listens on MASTER_PORT is its own.
    return port + (variables.get("TORCHELASTIC_USE_AGENT_STORE") == "True")


def _mpi_host(variables: Mapping[str, str], *, all_are_here: bool) -> str:
    """Return where rank 0 is; empty if nobody says so and it may be elsewhere."""
    batch = variables.get("AZ_BATCH_MASTER_NODE", "").rpartition(":")
    known = batch[0] or batch[2] or variables.get("AZ_BATCHAI_MPI_MASTER_NODE", "")
    return known or (_THIS_HOST if all_are_here else "")


def _job(variables: Mapping[str, str]) -> str:
    names = "AZUREML_RUN_ID", "TORCHELASTIC_RUN_ID", "PMIX_NAMESPACE"
    return next((variables[name] for name in names if variables.get(name)), "")


def _number(name: str, variables: Mapping[str, str], default: int, problems: list[str]) -> int:
    """Return a whole number, or the default if the variable is not set."""
    text = variables.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        problems.append(f"{name} is no whole number")
        return default
    return int(text)
