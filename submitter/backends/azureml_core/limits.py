"""What a job file can say and azureml-core (SDK v1) cannot: refused by name, never dropped."""

from remote_entry.marked_yaml import KeyPath
from submitter.job import DataInput, InlineEnvironment, Job, TensorFlowDistribution


def refuse_what_v1_cannot_carry(job: Job) -> None:
    """Refuse a job that means more than azureml-core can say.

    Args:
        job: The job.

    Raises:
        JobError: Naming the first key that would have to be dropped, and what to do instead.
    """
    for keys, wanted, instead in _beyond_v1(job):
        if wanted:
            raise job.problem(
                keys, f"azureml-core (SDK v1) cannot carry '{'.'.join(map(str, keys))}': {instead}"
            )


def _beyond_v1(job: Job) -> list[tuple[KeyPath, object, str]]:
    """List key, whether the job uses it, and what to do instead."""
    resources = job.resources
    read_yourself = "read the data in the script, or mount it with an SDK v2 backend."
    one_cluster = "v1 takes the machine from the compute target; choose that instead."
    data = [name for name, value in job.inputs.items() if isinstance(value, DataInput)]
    inline = job.environment if isinstance(job.environment, InlineEnvironment) else None
    identity = job.identity
    return [
        *((("inputs", name), True, read_yourself) for name in data),
        (("outputs",), job.outputs, "write to ./outputs; it is kept with the run."),
        (("services",), job.services, "remove the key."),
        (("queue_settings",), job.queue_settings, "remove the key."),
        (("resources", "instance_type"), resources.instance_type, one_cluster),
        (("resources", "locations"), resources.locations, one_cluster),
        (("resources", "properties"), resources.properties, one_cluster),
        (("resources", "max_instance_count"), resources.max_instance_count, one_cluster),
        (
            ("distribution",),
            isinstance(job.distribution, TensorFlowDistribution),
            "use type 'mpi' or 'pytorch'.",
        ),
        (
            ("resources", "instance_count"),
            resources.instance_count > 1 and job.distribution is None,
            "say how the instances work together: distribution: {type: mpi} or {type: pytorch}.",
        ),
        (
            ("identity",),
            identity
            and (
                identity.type == "managed"
                or identity.client_id
                or identity.object_id
                or identity.msi_resource_id
            ),
            "v1 takes a managed identity from the compute target; assign it there.",
        ),
        (
            ("environment", "description"),
            inline and inline.description,
            "remove the key; a registered environment of v1 has none.",
        ),
        (("compute",), job.compute == "local", "name a compute target, or use --emulator."),
    ]
