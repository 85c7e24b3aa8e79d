"""Submit Azure Machine Learning runs that read a database without holding its password.

Names are imported when they are first used: `import submitter` is instant and loads no SDK.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails
    from submitter.errors import (
        EnvironmentFileError,
        InputError,
        JobError,
        NotFoundError,
        RunCanceledError,
        RunFailedError,
        SecretInViewError,
        ServiceError,
        SignInError,
        SnapshotError,
        SubmitterError,
        WorkspaceError,
    )
    from submitter.job import Job
    from submitter.planning import Plan, plan
    from submitter.submission import RunHandle, get_run, submit
    from submitter.workspace import WorkspaceAddress, open_workspace

__version__ = "0.1.0"

_HOME = {
    "RunDetails": "submitter.backends.base",
    "EnvironmentFileError": "submitter.errors",
    "InputError": "submitter.errors",
    "JobError": "submitter.errors",
    "NotFoundError": "submitter.errors",
    "RunCanceledError": "submitter.errors",
    "RunFailedError": "submitter.errors",
    "SecretInViewError": "submitter.errors",
    "ServiceError": "submitter.errors",
    "SignInError": "submitter.errors",
    "SnapshotError": "submitter.errors",
    "SubmitterError": "submitter.errors",
    "WorkspaceError": "submitter.errors",
    "Job": "submitter.job",
    "Plan": "submitter.planning",
    "plan": "submitter.planning",
    "RunHandle": "submitter.submission",
    "get_run": "submitter.submission",
    "submit": "submitter.submission",
    "WorkspaceAddress": "submitter.workspace",
    "open_workspace": "submitter.workspace",
}

__all__ = [  # noqa: RUF022 - in the order of the table above
    "RunDetails",
    "EnvironmentFileError",
    "InputError",
    "JobError",
    "NotFoundError",
    "RunCanceledError",
    "RunFailedError",
    "SecretInViewError",
    "ServiceError",
    "SignInError",
    "SnapshotError",
    "SubmitterError",
    "WorkspaceError",
    "Job",
    "Plan",
    "plan",
    "RunHandle",
    "get_run",
    "submit",
    "WorkspaceAddress",
    "open_workspace",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'submitter' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
