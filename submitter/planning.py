"""Everything a submit will do, before it does it."""

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remote_entry.errors import SettingsError
from remote_entry.settings import Settings
from submitter import environment, guard, snapshot
from submitter.environment import EnvironmentDefinition
from submitter.errors import EnvironmentFileError, JobError
from submitter.job import EnvironmentReference, InlineEnvironment, Job
from submitter.snapshot import SnapshotFile

_WRAPPER = "python -m remote_entry run --"


@dataclass(frozen=True)
class Plan:
    """What a backend submits: the job, and all that was worked out from it.

    Attributes:
        job: The job as it was read.
        command: The command with its inputs, wrapped in `remote_entry run`.
        environment: A registered environment to use, or the definition of one to register.
        variables: The run's environment variables.
        files: The snapshot.
        warnings: What was understood but should be corrected.
    """

    job: Job
    command: str
    environment: EnvironmentReference | EnvironmentDefinition
    variables: Mapping[str, str] = field(repr=False)
    files: tuple[SnapshotFile, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def snapshot_size(self) -> int:
        """The size of all files that travel, in bytes."""
        return sum(file.size for file in self.files)


def plan(
    job: Job,
    *,
    allow_plaintext: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Plan:
    """Work out what submitting a job would create, upload and run; nothing is sent.

    Args:
        job: The job.
        allow_plaintext: Variables that may carry a credential in clear.
        environ: This machine's variables, whose credentials must not travel.

    Returns:
        The plan, which is what `submit` takes.

    Raises:
        InputError: The job, its environment or its snapshot cannot be submitted as written.
    """
    warnings: list[str] = []
    chosen = _environment(job)
    _check_variables(job, chosen, warnings)
    guard.refuse_plain_text(
        job.environment_variables, job.where("environment_variables"), allow_plaintext
    )
    made = Plan(
        job=job,
        command=_wrapped(job.rendered_command()),
        environment=chosen,
        variables=dict(job.environment_variables),
        files=snapshot.collect(_code_folder(job)),
        warnings=tuple(warnings),
    )
    unlisted = {name: value for name, value in environ.items() if name not in allow_plaintext}
    guard.refuse_known_values(_texts(made), unlisted)
    return made


def _wrapped(command: str) -> str:
    """Let remote_entry start the command: it brings the secrets and masks the output."""
    if command.startswith("python -m remote_entry "):
        return command
    return f"{_WRAPPER} /bin/bash -c {shlex.quote(command)}"


def _environment(job: Job) -> EnvironmentReference | EnvironmentDefinition:
    inline = job.environment
    if not isinstance(inline, InlineEnvironment):
        reference = job.environment_reference
        assert reference is not None  # noqa: S101 - a job's environment is one or the other
        return reference
    dockerfile = None
    if inline.build:
        dockerfile = job.folder / inline.build.path / inline.build.dockerfile_path
    try:
        return environment.definition(
            inline.name,
            dockerfile=dockerfile,
            image=inline.image,
            conda_file=job.folder / inline.conda_file if inline.conda_file else None,
        )
    except EnvironmentFileError as error:
        raise EnvironmentFileError(f"{job.where('environment')}: {error}") from None


def _check_variables(
    job: Job, chosen: EnvironmentReference | EnvironmentDefinition, warnings: list[str]
) -> None:
    """Read the variables as the run will, unless a registered environment brings more of them."""
    if isinstance(chosen, EnvironmentReference):
        return
    try:
        settings = Settings.from_environ(job.environment_variables)
    except SettingsError as error:
        raise JobError(f"{job.where('environment_variables')}: {error.message}") from None
    warnings.extend(
        f"{job.where('environment_variables')}: {warning}" for warning in settings.warnings
    )


def _code_folder(job: Job) -> Path | None:
    if job.code is None:
        return None
    if ":" in job.code:
        raise job.problem(
            ("code",), "code must be a folder beside the job file; azureml-core uploads no other."
        )
    return job.folder / job.code


def _texts(made: Plan) -> Iterator[tuple[str, str]]:
    """Yield every text of the plan that the workspace will show to its readers."""
    job = made.job
    yield job.where("command"), made.command
    for key in ("name", "experiment_name", "display_name", "description"):
        yield job.where(key), getattr(job, key) or ""
    for section in ("tags", "properties", "environment_variables"):
        for name, value in getattr(job, section).items():
            yield job.where(section, name), f"{name} {value}"
    if isinstance(made.environment, EnvironmentDefinition):
        yield job.where("environment"), made.environment.dockerfile or ""
