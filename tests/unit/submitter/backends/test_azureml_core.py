"""What a job file says, in the words of azureml-core."""

from datetime import datetime, timezone
from typing import Any

import pytest

from submitter import Job, JobError, plan
from submitter.backends.azureml_core.backend import (
    _script_run_config,
)
from submitter.backends.azureml_core.environment import to_native
from submitter.backends.azureml_core.limits import refuse_what_v1_cannot_carry
from submitter.backends.azureml_core.run_record import moment
from submitter.backends.base import RegisteredEnvironment
from submitter.environment import EnvironmentDefinition

# azureml-core warns about its own innards.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)


def run_config(**keys: Any) -> Any:
    """Return the SDK's run configuration of a job."""
    job = Job(command="ls", compute="cpu-cluster", environment="azureml:e:1", **keys)
    refuse_what_v1_cannot_carry(job)
    definition = EnvironmentDefinition("e", image="ubuntu")
    registered = RegisteredEnvironment("e", "1", definition, to_native(definition))
    return _script_run_config(plan(job, environ={}), registered, ".").run_config


def test_a_plain_job_has_one_node_and_its_variables() -> None:
    """Its target, and no limit beyond the SDK's own."""
    config = run_config(environment_variables={"MODE": "fast"})
    assert (config.target, config.node_count) == ("cpu-cluster", 1)
    assert config.environment_variables == {"MODE": "fast"}
    assert config.communicator == "None"


def test_mpi_is_carried() -> None:
    """Nodes, and processes a node."""
    config = run_config(
        resources={"instance_count": 3},
        distribution={"type": "mpi", "process_count_per_instance": 2},
    )
    assert (config.node_count, config.mpi.process_count_per_node) == (3, 2)
    assert config.communicator == "IntelMpi"


def test_pytorch_is_carried() -> None:
    """SDK v1 counts the processes of all nodes."""
    config = run_config(
        resources={"instance_count": 3},
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    assert (config.node_count, config.pytorch.process_count) == (3, 6)
    assert config.framework == "PyTorch"


def test_limits_and_containers_are_carried() -> None:
    """Quoted arguments stay whole, and what was not said keeps the SDK's default."""
    config = run_config(limits={"timeout": 90}, resources={"docker_args": "-e 'A=b c' --ipc=host"})
    assert config.max_run_duration_seconds == 90
    assert config.docker.arguments == ["-e", "A=b c", "--ipc=host"]
    assert config.docker.shm_size == "2g"
    assert run_config(resources={"shm_size": "8g"}).docker.shm_size == "8g"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"inputs": {"data": {"type": "uri_folder", "path": "x"}}}, "inputs.data"),
        ({"outputs": {"model": {"type": "uri_folder"}}}, "outputs"),
        ({"services": {"ssh": {}}}, "services"),
        ({"queue_settings": {"job_tier": "spot"}}, "queue_settings"),
        ({"resources": {"instance_type": "x"}}, "resources.instance_type"),
        ({"resources": {"locations": ["x"]}}, "resources.locations"),
        ({"resources": {"properties": {"a": 1}}}, "resources.properties"),
        ({"resources": {"max_instance_count": 2}}, "resources.max_instance_count"),
        ({"resources": {"instance_count": 2}}, "resources.instance_count"),
        ({"distribution": {"type": "tensorflow"}}, "distribution"),
        ({"identity": {"type": "managed"}}, "identity"),
        ({"identity": {"type": "user_identity", "client_id": "x"}}, "identity"),
    ],
)
def test_pain_12_what_v1_cannot_carry_is_refused_by_name(keys: dict[str, Any], named: str) -> None:
    """Never dropped, and with what to do instead."""
    with pytest.raises(JobError, match=f"cannot carry '{named}': "):
        run_config(**keys)


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("2026-01-31T12:00:00.1234567Z", 123_456),
        ("2026-01-31T12:00:00.12+00:00", 120_000),
        ("2026-01-31T12:00:00Z", 0),
        (datetime(2026, 1, 31, 12), 0),  # noqa: DTZ001 - as the SDK hands it out
    ],
)
def test_times_are_read_as_the_service_writes_them(written: Any, microseconds: int) -> None:
    """With a seventh decimal, with two, with none, or parsed and without a zone."""
    expected = datetime(2026, 1, 31, 12, microsecond=microseconds, tzinfo=timezone.utc)
    assert moment(written) == expected


def test_no_time_is_none() -> None:
    """A run that has not started, and what nobody understands."""
    assert (moment(None), moment(""), moment("soon")) == (None, None, None)
