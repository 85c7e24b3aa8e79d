"""Everything a submit will do, before it does it."""

import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from remote_entry.errors import SettingsError
from remote_entry.settings import Settings
from submitter import environment, guard, snapshot
from submitter.environment import EnvironmentDefinition
from submitter.errors import EnvironmentFileError, JobError
from submitter.git import git_properties
from submitter.job import EnvironmentReference, InlineEnvironment, Job
from submitter.snapshot import KeptOut, SnapshotFile

INPUT_PROPERTY = "submitter.input."  # v1 keeps no inputs with a run
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
        kept_out: What stays here, and by which rule.
        warnings: What was understood but should be corrected.
        git: The run's properties that say from which commit it was submitted.
    """

    job: Job
    command: str
    environment: EnvironmentReference | EnvironmentDefinition
    variables: Mapping[str, str] = field(repr=False)
    files: tuple[SnapshotFile, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()
    kept_out: tuple[KeptOut, ...] = field(default=(), repr=False)
    git: Mapping[str, str] = field(default_factory=dict)

    @property
    def code_folder(self) -> Path | None:
        """The folder that the code comes from; `None` for a job that brings none."""
        return _code_folder(self.job)

    @property
    def properties(self) -> Mapping[str, str]:
        """What the run's record keeps for good: git, the inputs, and the job's own properties."""
        inputs = {f"{INPUT_PROPERTY}{name}": str(value) for name, value in self.job.inputs.items()}
        return {**self.git, **inputs, **self.job.properties}

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
        allow_plaintext: What may carry a credential in clear: variables, files, or FILE:LINE.
        environ: This machine's variables, whose credentials must not travel.

    Returns:
        The plan, which is what `submit` takes.

    Raises:
        InputError: The job, its environment or its snapshot cannot be submitted as written.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        asked = beside.submit(git_properties, _code_folder(job) or job.folder, environ)
        made = _without_git(job, allow_plaintext, environ)
        return replace(made, git=asked.result())


def _without_git(job: Job, allow_plaintext: Collection[str], environ: Mapping[str, str]) -> Plan:
    chosen = _environment(job)
    warnings = _unused_inputs(job)
    if isinstance(chosen, EnvironmentDefinition):
        # A registered environment may bring more variables; the backend checks with them.
        warnings += check_variables(job)
    found = snapshot.collect(_code_folder(job))
    warnings += [f"{job.where('code')}: {warning}" for warning in found.warnings]
    made = Plan(
        job=job,
        command=_wrapped(job.rendered_command()),
        environment=chosen,
        variables=dict(job.environment_variables),
        files=found.files,
        kept_out=found.kept_out,
        warnings=tuple(warnings),
    )
    let_through = _guarded(made, made.files, allow_plaintext, environ)
    return replace(made, warnings=(*made.warnings, *let_through))


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
    if not values:
        return made
    job = made.job.with_inputs(values)
    varied = replace(made, job=job, command=_wrapped(job.rendered_command()))
    _guarded(varied, (), allow_plaintext, environ)  # the files are the same
    return varied


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


def _guarded(
    made: Plan,
    files: Iterable[SnapshotFile],
    allowed: Collection[str],
    environ: Mapping[str, str],
) -> list[str]:
    """Refuse a plan with which a secret would travel; return what was knowingly let through."""
    job = made.job
    found: list[guard.Finding] = []
    for section in ("environment_variables", "tags", "properties", "inputs"):
        for name, value in getattr(job, section).items():
            found += guard.in_variables({name: str(value)}, job.where(section, name))
    search = guard.Search(guard.own_forms(environ, allowed))
    found += guard.in_texts(_texts(made), search)
    found += guard.in_files(files, search)
    return guard.refuse(found, allowed)


def _texts(made: Plan) -> Iterator[tuple[str, str]]:
    """Yield every text of the plan that the workspace will show to its readers."""
    job = made.job
    yield job.where("command"), made.command
    yield "the experiment's name", job.experiment
    for keys, text in guard.texts_in(job.model_dump(by_alias=True)):
        yield job.where(*keys), f"{keys[-1]} {text}"
    if isinstance(made.environment, EnvironmentDefinition):
        yield from environment.texts(made.environment)
