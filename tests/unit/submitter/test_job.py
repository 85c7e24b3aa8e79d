"""The job file: what is understood, what is refused, and how it is said."""

from pathlib import Path

import pytest

from submitter import Job, JobError
from submitter.job import EnvironmentReference, InlineEnvironment

MINIMAL = """\
command: python train.py
compute: cpu-cluster
environment: azureml:flights@latest
"""


def job_from(folder: Path, text: str) -> Job:
    """Write a job file and read it."""
    path = folder / "job.yml"
    path.write_text(text, encoding="utf-8")
    return Job.from_file(path)


def complaint(folder: Path, text: str) -> str:
    """Return what is said about a wrong job file, without the folder's name."""
    with pytest.raises(JobError) as caught:
        job_from(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_three_keys_make_a_job(tmp_path: Path) -> None:
    """Command, compute and environment are enough; the rest has the documented defaults."""
    job = job_from(tmp_path, MINIMAL)
    assert (job.command, job.compute) == ("python train.py", "cpu-cluster")
    assert job.environment_reference == EnvironmentReference(name="flights", version=None)
    assert (job.resources.instance_count, job.limits.timeout, job.folder) == (1, None, tmp_path)


def test_every_documented_key_is_known(tmp_path: Path) -> None:
    """The command-job schema's keys are read with its names and meanings."""
    job = job_from(
        tmp_path,
        """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
name: nightly-1
experiment_name: flight-delays
display_name: delays
description: how late
tags: {team: operations}
properties: {ticket: "17"}
code: src
command: >-
  python train.py --rows ${{inputs.rows}} --rate ${{ inputs.rate }} --dry ${{inputs.dry}}
inputs: {rows: 1000, rate: 0.1, dry: true}
environment: {name: flights, build: {path: docker}, conda_file: docker/conda.yml}
environment_variables: {MODE: fast}
compute: azureml:cpu-cluster
resources: {instance_count: 2, shm_size: 2g, docker_args: --ipc=host}
distribution: {type: mpi, process_count_per_instance: 4}
limits: {timeout: 600}
identity: {type: user_identity}
""",
    )
    assert job.rendered_command() == "python train.py --rows 1000 --rate 0.1 --dry True"
    assert job.compute == "cpu-cluster"
    assert isinstance(job.environment, InlineEnvironment)
    assert job.experiment == "flight-delays"
    assert job.distribution is not None
    assert job.distribution.type == "mpi"
    assert job.limits.timeout == 600


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "comand: ls",
            "job.yml:4: unknown key 'comand'. Did you mean 'command'? Allowed here: $sc",
        ),
        (
            "limits: {timeuot: 3}",
            "job.yml:4: unknown key 'limits.timeuot'. Did you mean 'timeout'? Allowed here: ",
        ),
        ("limits: {timeout: 0}", "job.yml:4: 'limits.timeout': Input should be greater than 0."),
        ("type: comand", "job.yml:4: 'type' cannot be that. Did you mean 'command'?"),
        (
            "distribution: {type: mpy}",
            "job.yml:4: 'distribution' cannot be that. Did you mean 'mpi'? Allowed: mpi, pytorch,",
        ),
        (
            "identity: {type: managd}",
            "job.yml:4: 'identity.type' cannot be that. Did you mean 'managed'?",
        ),
        (
            "environment_variables: {A: 1.10}",
            "job.yml:4: 'environment_variables.A' must be text, and YAML reads it as a number",
        ),
        ("experiment_name: a b", "job.yml:4: 'experiment_name': an experiment's name has letters"),
        (
            "command: twice",
            "job.yml:4: the key 'command' stands here a second time (first on line 1).",
        ),
        ("tags: [a", "job.yml:5: this is not YAML: "),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    """Each complaint has file, line, the nearest right name and what is allowed."""
    assert complaint(tmp_path, f"{MINIMAL}{line}\n").startswith(said)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("flights", "write azureml:NAME@latest or azureml:NAME:VERSION"),
        ("azureml:flights", "write azureml:NAME@latest or azureml:NAME:VERSION"),
        ("azureml:flights@newest", "the only label is 'latest'"),
        ("{name: flights}", "give either 'image' or 'build'"),
        ("{image: a, build: {path: b}}", "give either 'image' or 'build'"),
        ("{imag: a}", "Did you mean 'image'? Allowed here: build, conda_file, description, image"),
        ("{build: {pth: b}}", "Did you mean 'path'? Allowed here: dockerfile_path, path."),
    ],
)
def test_an_environment_is_a_reference_or_a_description(
    tmp_path: Path, environment: str, said: str
) -> None:
    """Anything else is refused on its line."""
    text = f"command: ls\ncompute: c\nenvironment: {environment}\n"
    message = complaint(tmp_path, text)
    assert message.startswith("job.yml:3: ")
    assert said in message


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Nobody has to run the command once a typing error."""
    message = complaint(tmp_path, "comand: ls\ncompute: c\nlimits: {timeuot: 1}\n")
    lines = [line.split(": ")[0] for line in message.splitlines()]
    assert sorted(lines) == lines
    assert len(lines) == 4  # two unknown keys, and command and environment missing


def test_a_pinned_version_may_be_any_text(tmp_path: Path) -> None:
    """A registered environment is found by name and version."""
    job = job_from(tmp_path, MINIMAL.replace("@latest", ":3"))
    assert job.environment_reference == EnvironmentReference(name="flights", version="3")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("${{inputs.rwos}}", "names no input. Did you mean 'rows'? Inputs of this job: rows."),
        ("${{outputs.model}}", "${{outputs.model}} is not known; only ${{inputs.NAME}} is."),
    ],
)
def test_an_expression_must_name_an_input(tmp_path: Path, expression: str, said: str) -> None:
    """A command is never sent with an expression left in it."""
    job = job_from(tmp_path, f"{MINIMAL}inputs: {{rows: 1}}\n".replace("train.py", expression))
    with pytest.raises(JobError, match="job.yml:1: ") as caught:
        job.rendered_command()
    assert said in str(caught.value)


def test_the_experiment_is_named_after_the_folder_if_nothing_else(tmp_path: Path) -> None:
    """As `az ml job create` does; characters that a name cannot have become dashes."""
    folder = tmp_path / "flight delays (ñ)"
    folder.mkdir()
    assert job_from(folder, MINIMAL).experiment == "flight-delays"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a job file is a mapping"),
        ("- a\n", "a job file is a mapping"),
        ("command: \x00", "this is not YAML"),
        ("command: 2024-02-30", "Put it in quotes"),
        ("command: !!int abc", "Put it in quotes"),
        ("inputs: &x {a: *x}", "anchors and aliases (&x, *x) are not supported"),
        ("a: &x [1]\nb: [*x, *x]", "anchors and aliases"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """An empty file, a list or binary rubbish end in one message, not in a traceback."""
    assert said in complaint(tmp_path, text)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """The message names the path, the working folder and a way to begin."""
    with pytest.raises(JobError, match=r"looked in .*submitter init DIR"):
        Job.from_file(tmp_path / "none.yml")


def test_a_job_made_in_python_is_checked_alike() -> None:
    """The same model serves the file and the constructor."""
    job = Job(command="ls", compute="azureml:c", environment="azureml:e:1")
    assert job.compute == "c"
    assert job.where("command") == "command"
