"""A compute target of Azure Machine Learning, as azureml-core (SDK v1) describes it."""

from typing import Any

from submitter.backends.base import ComputeTarget


def describe_target(native: Any) -> ComputeTarget:
    """Return a compute target in this package's words.

    Args:
        native: The azureml-core `ComputeTarget`; what its kind does not have is left out.
    """
    scale = getattr(native, "scale_settings", None)
    status = getattr(native, "status", None)
    counts = getattr(status, "node_state_counts", None)
    return ComputeTarget(
        name=native.name,
        kind=str(native.type),
        state=str(native.provisioning_state),
        vm_size=str(getattr(native, "vm_size", "") or ""),
        nodes=getattr(status, "current_node_count", None),
        most_nodes=getattr(scale, "maximum_node_count", None),
        idle_nodes=getattr(counts, "idle_node_count", None),
        low_priority=str(getattr(native, "vm_priority", "")).lower() == "lowpriority",
        problems=tuple(_problem(error) for error in getattr(status, "errors", None) or ()),
    )


def _problem(error: Any) -> str:
    """Return what the service says of a cluster's trouble."""
    told = error.get("error", error) if isinstance(error, dict) else {}
    return str(told.get("message") or told.get("code") or "an error without a message")
