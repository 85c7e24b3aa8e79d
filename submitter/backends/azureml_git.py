"""The git information that azureml-core sends with a run, put in its place."""

from collections.abc import Mapping
from pathlib import Path

from submitter.git import git_properties

_planned: dict[Path, Mapping[str, str]] = {}


def send_with(folder: Path, properties: Mapping[str, str]) -> None:
    """Let azureml-core send these properties with the snapshot of a folder and with its run.

    It asks "tracking info providers" for them, and its own one sends the remote's URL with its
    token: https://github.com/Azure/azure-sdk-for-python/issues/33153. They cost no request more.

    Args:
        folder: The run configuration's source directory.
        properties: What `submitter.git` found, scrubbed.
    """
    from azureml._base_sdk_common.tracking import global_tracking_info_registry

    _planned[folder.resolve()] = properties
    global_tracking_info_registry.providers = [_Provider()]


class _Provider:
    """What azureml-core asks; it has made the folder in question the current one."""

    def gather(self) -> dict[str, str]:
        """Return the properties: of a folder that was not planned here, git's own, scrubbed."""
        folder = Path.cwd()
        properties = _planned.get(folder)
        return dict(git_properties(folder) if properties is None else properties)
