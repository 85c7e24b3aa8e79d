"""What azureml-core would say of git, left out: the plan says it, scrubbed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def git_left_to_the_plan() -> Iterator[None]:
    """Keep azureml-core from sending git information of its own.

    It sends AZUREML_GIT_REPOSITORY_URI and a remote's URL as they are, tokens included:
    https://github.com/Azure/azure-sdk-for-python/issues/33153. This can go when it scrubs them.
    """
    from azureml._base_sdk_common.tracking import global_tracking_info_registry as registry

    providers = registry.providers
    registry.providers = []
    try:
        yield
    finally:
        registry.providers = providers
