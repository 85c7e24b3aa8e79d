"""Files that make a scheduler keep a schedule, one module a scheduler."""

from submitter.schedule.rendering import azure_devops, crontab, github, systemd
from submitter.schedule.rendering.request import Request, Target

_RENDER = {
    "github": github.render,
    "azure-devops": azure_devops.render,
    "systemd": systemd.render,
    "crontab": crontab.render,
}


def render(request: Request, target: Target) -> dict[str, str]:
    """Return the files that make a scheduler keep a schedule.

    Args:
        request: What is to be kept.
        target: The scheduler.

    Returns:
        File name → text. No text holds the value of a secret.

    Raises:
        InputError: The scheduler cannot do that.
    """
    return _RENDER[target](request)


__all__ = ["Request", "Target", "render"]
