"""What can go wrong on the laptop, as a tree.

    SubmitterError              exit code 1
    ├── InputError              2   what was given is wrong: nothing was sent
    │   ├── JobError                the job file, with file and line
    │   ├── EnvironmentFileError    docker/: Dockerfile or conda.yml
    │   ├── SnapshotError           the files that would travel
    │   ├── FolderError             a folder of this machine cannot take what was fetched
    │   └── SecretInViewError       a credential would travel in plain view
    ├── SignInError             3   no credential, or one that was refused
    ├── WorkspaceError          3   no workspace configured, or none of that name
    ├── NotFoundError           4   no such environment, compute target, run or secret
    ├── ServiceError            5   Azure answered with an error
    │   └── NoAnswerError           Azure did not answer, or its answer was lost
    ├── RunFailedError          6   the run ended as Failed
    ├── RunCanceledError        7   the run ended as Canceled
    └── ExposureError           8   a credential is in plain view in a run

A message says what happened, where it was looked for and what to do next, in that order.
It names references (`AZURE_SECRET_2 → sql-password`), never values.
"""


class SubmitterError(Exception):
    """The root: catch this one to catch all that this package raises on purpose."""

    exit_code = 1


class InputError(SubmitterError):
    """Something the user wrote is wrong; nothing was sent."""

    exit_code = 2


class JobError(InputError):
    """The job file is wrong; each line of the message names the file and the line."""


class EnvironmentFileError(InputError):
    """The Dockerfile or the conda file of an environment is missing or wrong."""


class SnapshotError(InputError):
    """The files that would travel are missing, unreadable or too large."""


class FolderError(InputError):
    """A folder of this machine cannot take a run's files: read-only, full, or not meant to."""


class SecretInViewError(InputError):
    """A credential's value would be readable by everyone who can read the workspace."""


class SignInError(SubmitterError):
    """Nobody is signed in, or the sign-in was refused."""

    exit_code = 3


class WorkspaceError(SubmitterError):
    """No workspace is configured, or the configured one cannot be opened."""

    exit_code = 3


class NotFoundError(SubmitterError):
    """The workspace has nothing of that name."""

    exit_code = 4


class ServiceError(SubmitterError):
    """Azure answered with an error, or did not answer."""

    exit_code = 5


class NoAnswerError(ServiceError):
    """Azure did not answer, or its answer was lost: what was asked for may have happened."""


class RunFailedError(SubmitterError):
    """The run ended as Failed."""

    exit_code = 6


class RunCanceledError(SubmitterError):
    """The run ended as Canceled."""

    exit_code = 7


class ExposureError(SubmitterError):
    """A run shows a credential to everyone who can read the workspace."""

    exit_code = 8
