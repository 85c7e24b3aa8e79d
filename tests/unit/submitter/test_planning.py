"""Everything a submit will do, before it does it."""

import shlex
from pathlib import Path

import pytest

from submitter import Job, JobError, SecretInViewError, plan
from submitter.environment import EnvironmentDefinition
from submitter.errors import EnvironmentFileError
from submitter.job import EnvironmentReference

JOB = """\
command: python train.py --name "${{inputs.name}}"
inputs: {name: it's}
compute: cpu-cluster
environment: azureml:flights@latest
code: .
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a job file and a script."""
    (tmp_path / "train.py").write_text("print('hello')\n")
    (tmp_path / "job.yml").write_text(JOB)
    return tmp_path


def planned(project: Path, extra: str = "", environ: dict[str, str] | None = None) -> object:
    """Plan the project's job, with more lines in its file."""
    (project / "job.yml").write_text(JOB + extra)
    return plan(Job.from_file(project / "job.yml"), environ=environ or {})


def test_the_command_is_wrapped_and_quoted(project: Path) -> None:
    """The shell that starts remote_entry hands it the user's command unchanged."""
    made = plan(Job.from_file(project / "job.yml"), environ={})
    words = shlex.split(made.command)
    assert words[:-1] == ["python", "-m", "remote_entry", "run", "--", "/bin/bash", "-c"]
    assert words[-1] == 'python train.py --name "it\'s"'


def test_a_command_that_is_wrapped_already_is_left_alone() -> None:
    """Nobody is supervised twice."""
    command = "python -m remote_entry run -- python train.py"
    job = Job(command=command, compute="c", environment="azureml:e:1")
    assert plan(job, environ={}).command == command


def test_a_plan_says_which_environment_it_takes(project: Path) -> None:
    """A registered one by reference; one of the job's own as a definition."""
    made = plan(Job.from_file(project / "job.yml"), environ={})
    assert made.environment == EnvironmentReference(name="flights", version=None)
    (project / "Dockerfile").write_text("FROM base\n")
    inline = JOB.replace("azureml:flights@latest", "{build: {path: .}}")
    (project / "job.yml").write_text(inline)
    made = plan(Job.from_file(project / "job.yml"), environ={})
    assert isinstance(made.environment, EnvironmentDefinition)
    assert made.environment.dockerfile == "FROM base\n"


def test_the_variables_are_checked_as_the_run_will_read_them(project: Path) -> None:
    """With an inline environment all variables are known, so what is missing is missing."""
    (project / "Dockerfile").write_text("FROM base\n")
    inline = JOB.replace("azureml:flights@latest", "{build: {path: .}}")
    (project / "job.yml").write_text(f"{inline}environment_variables: {{AZURE_SECRET_1: pwd}}\n")
    with pytest.raises(JobError, match=r"job\.yml:6: [^§]*KEY_VAULT_URL is not set") as caught:
        plan(Job.from_file(project / "job.yml"), environ={})
    assert "AZURE_CLIENT_SECRET_FROM_WORKSPACE" in str(caught.value)


def test_a_credential_in_clear_is_refused(project: Path) -> None:
    """Unless it is allowed by name."""
    extra = "environment_variables: {AZURE_CLIENT_SECRET: hunter2}\n"
    with pytest.raises(SecretInViewError, match=r"job\.yml:6"):
        planned(project, extra)
    (project / "job.yml").write_text(JOB + extra)
    job = Job.from_file(project / "job.yml")
    made = plan(job, allow_plaintext=["AZURE_CLIENT_SECRET"], environ={})
    assert "hunter2" not in repr(made.variables.keys())


@pytest.mark.parametrize(
    "extra",
    [
        "tags: {note: the value is correct-horse}\n",
        "display_name: correct-horse\n",
        "description: correct-horse\n",
        "environment_variables: {HARMLESS: correct-horse}\n",
        "properties: {x: correct-horse}\n",
        "resources: {docker_args: -e X=correct-horse}\n",
        "outputs: {m: {path: correct-horse}}\n",
    ],
)
def test_the_laptops_own_credential_travels_nowhere(project: Path, extra: str) -> None:
    """Whatever the text is called that would carry it."""
    with pytest.raises(SecretInViewError, match="job.yml:6: the value of AZURE_CLIENT_SECRET"):
        planned(project, extra, {"AZURE_CLIENT_SECRET": "correct-horse"})


def test_the_laptops_own_credential_does_not_travel_in_conda_yml(project: Path) -> None:
    """Package sources like to carry one."""
    (project / "Dockerfile").write_text("FROM base\n")
    (project / "conda.yml").write_text(
        "dependencies:\n  - pip:\n      - x @ https://u:correct-horse@host/x.whl\n"
    )
    inline = "{build: {path: .}, conda_file: conda.yml}"
    (project / "job.yml").write_text(JOB.replace("azureml:flights@latest", inline))
    with pytest.raises(SecretInViewError, match=r"conda\.yml .*the value of INDEX_PASS"):
        plan(Job.from_file(project / "job.yml"), environ={"INDEX_PASSWORD": "correct-horse"})


@pytest.mark.parametrize("section", ["tags", "properties"])
def test_a_credential_does_not_travel_as_a_tag(project: Path, section: str) -> None:
    """Whatever it is called."""
    with pytest.raises(SecretInViewError, match="password would carry"):
        planned(project, f"{section}: {{password: hunter2}}\n")


def test_an_input_that_nobody_reads_is_mentioned(project: Path) -> None:
    """SDK v1 keeps no inputs with a run: it would be gone."""
    (project / "job.yml").write_text(JOB.replace("{name: it's}", "{name: x, rate: 1}"))
    made = plan(Job.from_file(project / "job.yml"), environ={})
    assert len(made.warnings) == 1
    assert "job.yml:2: the input 'rate' is not used" in made.warnings[0]


@pytest.mark.parametrize("code", ["git+https://example.org/x", "azureml:code:1"])
def test_code_from_elsewhere_is_refused(project: Path, code: str) -> None:
    """azureml-core uploads a folder and nothing else."""
    (project / "job.yml").write_text(JOB.replace("code: .", f"code: {code}"))
    with pytest.raises(JobError, match=r"job\.yml:5: code must be a folder"):
        plan(Job.from_file(project / "job.yml"), environ={})


def test_a_wrong_environment_names_the_line_of_the_job_too(project: Path) -> None:
    """The job file led there."""
    inline = JOB.replace("azureml:flights@latest", "{build: {path: nowhere}}")
    (project / "job.yml").write_text(inline)
    with pytest.raises(EnvironmentFileError, match=r"job\.yml:4: There is no Dockerfile"):
        plan(Job.from_file(project / "job.yml"), environ={})
