"""Everything a submit will do, before it does it."""

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    chosen = _environment(job)
    _refuse_plain_text(job, allow_plaintext)
    warnings = _unused_inputs(job)
    if isinstance(chosen, EnvironmentDefinition):
        # A registered environment may bring more variables; the backend checks with them.
        warnings += check_variables(job)
    files = snapshot.collect(_code_folder(job))
    if len(files) > snapshot.FILE_LIMIT:
        warnings.append(
            f"{job.where('code')}: {len(files)} files; Azure ML takes at most "
            f"{snapshot.FILE_LIMIT} new or changed ones a snapshot."
        )
    made = Plan(
        job=job,
        command=_wrapped(job.rendered_command()),
        environment=chosen,
        variables=dict(job.environment_variables),
        files=files,
        warnings=tuple(warnings),
    )
    guard.refuse_known_values(_texts(made), environ, allow_plaintext)
    return made


def with_inputs(
    made: Plan,
    values: Mapping[str, bool | float | str],
    *,
    allow_plaintext: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Plan:
    """Return the same plan with other values of the job's literal inputs.

    Args:
        made: A plan; its files and environment are those of the new one.
        values: Input → value.
        allow_plaintext: Inputs that may carry a credential in clear.
        environ: This machine's variables, whose credentials must not travel.

    Raises:
        InputError: The job has no such input, or the value is a credential.
    """
    job = made.job.with_inputs(values)
    _refuse_plain_text(job, allow_plaintext)
    varied = replace(made, job=job, command=_wrapped(job.rendered_command()))
    guard.refuse_known_values(_texts(varied), environ, allow_plaintext)
    return varied


def _refuse_plain_text(job: Job, allowed: Collection[str]) -> None:
    for section in ("environment_variables", "tags", "properties", "inputs"):
        values = {name: str(value) for name, value in getattr(job, section).items()}
        guard.refuse_plain_text(values, job.where(section), allowed)


def check_variables(job: Job, more: Mapping[str, str] | None = None) -> list[str]:
    """Read a job's variables as the run will.

    Args:
        job: The job.
        more: Variables that the registered environment brings; the job's own win.

    Returns:
        Warnings: what was understood but should be corrected.

    Raises:
        JobError: A variable is missing, malformed or contradicts another.
    """
    where = job.where("environment_variables")
    try:
        settings = Settings.from_environ({**(more or {}), **job.environment_variables})
    except SettingsError as error:
        raise JobError(f"{where}: {error.message}") from None
    return [f"{where}: {warning}" for warning in settings.warnings]


def _unused_inputs(job: Job) -> list[str]:
    """Say which inputs nobody would ever see: v1 keeps none with the run."""
    return [
        f"{job.where('inputs', name)}: the input '{name}' is not used by the command."
        for name in job.inputs
        if name not in job.used_inputs
    ]


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
    for keys, text in guard.texts_in(job.model_dump(by_alias=True)):
        yield job.where(*keys), f"{keys[-1]} {text}"
    if isinstance(made.environment, EnvironmentDefinition):
        yield from environment.texts(made.environment)
