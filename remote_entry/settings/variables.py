"""Text of environment variables → clean text and numbers; problems are collected, never raised."""

from collections.abc import Mapping

from remote_entry.errors import SettingsError
from remote_entry.settings.references import FROM_WORKSPACE_SUFFIX

_OURS = frozenset(
    {
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_TENANT_ID",
        "KEY_VAULT_URL",
        "MANAGED_IDENTITY_CLIENT_ID",
        "SQL_AUTH",
        "SQL_DATABASE",
        "SQL_SERVER",
        "SQL_WORKLOAD",
        "STORAGE_AUTH",
    }
)


def strip(environ: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """Return the variables without stray white space around their values.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.
        warnings: Receives one line for each variable of this package that had some.
    """
    variables = {}
    for variable, value in environ.items():
        stripped = value.strip()
        if stripped != value and _is_ours(variable):
            warnings.append(f"{variable} has white space around its value; it was removed")
        variables[variable] = stripped
    return variables


def positive_seconds(
    variable: str, variables: Mapping[str, str], default: float, problems: list[str]
) -> float:
    """Return a positive number of seconds, or the default if the variable is not set."""
    text = variables.get(variable, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        problems.append(f"{variable} is not a positive number of seconds")
        return default
    return seconds


def settings_error(problems: list[str]) -> SettingsError:
    """Return one error for all problems."""
    found = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return SettingsError(
        f"The run's environment variables have {found}:{lines}",
        kind="settings",
        hint="correct environment_variables in the job file or in the registered environment",
    )


def _is_ours(variable: str) -> bool:
    """Tell whether this package gives a meaning to a variable."""
    return (
        variable in _OURS
        or variable.startswith(("AZURE_SECRET_", "REMOTE_ENTRY_"))
        or variable.endswith(FROM_WORKSPACE_SUFFIX)
    )
