"""Submit Azure Machine Learning runs that read a database without holding its password.

Names are imported when they are first used: `import submitter` is instant and loads no SDK.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails as RunDetails
    from submitter.backends.base import RunSummary as RunSummary
    from submitter.errors import EnvironmentFileError as EnvironmentFileError
    from submitter.errors import ExposureError as ExposureError
    from submitter.errors import FolderError as FolderError
    from submitter.errors import InputError as InputError
    from submitter.errors import JobError as JobError
    from submitter.errors import NoAnswerError as NoAnswerError
    from submitter.errors import NotFoundError as NotFoundError
    from submitter.errors import RunCanceledError as RunCanceledError
    from submitter.errors import RunFailedError as RunFailedError
    from submitter.errors import SecretInViewError as SecretInViewError
    from submitter.errors import ServiceError as ServiceError
    from submitter.errors import SignInError as SignInError
    from submitter.errors import SnapshotError as SnapshotError
    from submitter.errors import SubmitterError as SubmitterError
    from submitter.errors import WorkspaceError as WorkspaceError
    from submitter.job import Job as Job
    from submitter.planning import Plan as Plan
    from submitter.planning import plan as plan
    from submitter.runs.audit import Audit as Audit
    from submitter.runs.handle import RunHandle as RunHandle
    from submitter.runs.names import find_run as find_run
    from submitter.runs.names import list_runs as list_runs
    from submitter.submission.submitting import get_run as get_run
    from submitter.submission.submitting import submit as submit
    from submitter.workspace import WorkspaceAddress as WorkspaceAddress
    from submitter.workspace import open_workspace as open_workspace

__version__ = "0.1.0"

_NAMES = {
    "submitter.runs.audit": ("Audit",),
    "submitter.backends.base": ("RunDetails", "RunSummary"),
    "submitter.errors": (
        *("SubmitterError", "InputError", "JobError", "EnvironmentFileError", "SnapshotError"),
        *("SecretInViewError", "SignInError", "WorkspaceError", "NotFoundError", "ServiceError"),
        *("NoAnswerError", "RunFailedError", "RunCanceledError", "FolderError"),
        *("ExposureError",),
    ),
    "submitter.job": ("Job",),
    "submitter.planning": ("Plan", "plan"),
    "submitter.runs.handle": ("RunHandle",),
    "submitter.runs.names": ("find_run", "list_runs"),
    "submitter.submission.submitting": ("get_run", "submit"),
    "submitter.workspace": ("WorkspaceAddress", "open_workspace"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*_HOME, "__version__"]  # noqa: PLE0604 - all of them are text


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'submitter' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
