"""Variables whose values are secrets of the workspace's own vault, read with the run's token."""

import os
from collections.abc import Mapping

from remote_entry.deadline import Deadline, wait_for
from remote_entry.errors import IdentityError
from remote_entry.settings.references import FROM_WORKSPACE_SUFFIX


def read_from_workspace(names: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
    """Read variables' values from the workspace's vault with the run's own token.

    Args:
        names: Variable → name of the workspace secret.
        deadline: When to stop waiting; the SDK has no bound of its own.

    Returns:
        Variable → value.

    Raises:
        IdentityError: This is no Azure ML run, the workspace does not answer, or it lacks a secret.
    """
    if not names:
        return {}
    wanted = sorted(set(names.values()))
    try:
        values = wait_for(lambda: _get_workspace_secrets(wanted), deadline)
    except TimeoutError:
        raise IdentityError(
            f"The workspace did not hand out {_listed(names)} within {deadline.seconds:g} s",
            kind="identity.deadline",
            hint="check the compute's way to the workspace, or raise REMOTE_ENTRY_DEADLINE",
        ) from None
    missing = {variable: name for variable, name in names.items() if not values.get(name)}
    if missing:
        raise IdentityError(
            f"Not in the workspace's vault: {_listed(missing)}; looked there with the run's token",
            kind="identity.missing",
            hint=f"store it with `submitter secret set {next(iter(missing.values()))}`",
        )
    return {variable: values[name] for variable, name in names.items()}


def _get_workspace_secrets(names: list[str]) -> dict[str, str]:
    """Ask the workspace once for all names; a name that it lacks is absent from the answer."""
    if not os.environ.get("AZUREML_RUN_ID"):
        raise _not_in_a_run(names)
    try:
        from azureml.core import Run
    except ImportError:
        raise IdentityError(
            f"azureml-core is not installed here; looked for it to read {', '.join(names)} from "
            "the workspace",
            kind="identity.sdk-missing",
            hint="add azureml-core to the environment's conda.yml",
        ) from None
    try:
        run = Run.get_context(allow_offline=False)
        found: dict[str, str | None] = run.get_secrets(names)
    except Exception as error:  # noqa: BLE001 (the SDK raises anything here)
        # Its text may quote a response, so only its class is shown.
        raise IdentityError(
            f"The workspace did not hand out {', '.join(names)} ({type(error).__name__})",
            kind="identity.workspace",
            hint="check that the run's compute reaches the workspace and that the run is active",
        ) from None
    return {name: value for name, value in found.items() if value}


def _not_in_a_run(names: list[str]) -> IdentityError:
    """Return the error for a process that no Azure ML run started."""
    return IdentityError(
        f"Secrets {', '.join(names)} are to come from the workspace, but this is no Azure ML run: "
        "AZUREML_RUN_ID is not set",
        kind="identity.no-run",
        hint="run it with `submitter submit`, or set the variables themselves",
    )


def _listed(names: Mapping[str, str]) -> str:
    """Return ``VARIABLE_FROM_WORKSPACE → name`` for each."""
    return ", ".join(
        f"{variable}{FROM_WORKSPACE_SUFFIX} → {name}" for variable, name in names.items()
    )
