"""Nothing secret travels, as a user meets it: refused before the upload, or let through knowingly.

Pain 1 (secrets in plain view in variables, arguments and tags), and pain 3 (a git token in a run's
properties).
"""

import json
import subprocess

import pytest
from support.leaks import ENTRA_SECRET, GITHUB, LEAKS, PASSWORD, SAS, WORDY
from support.shell import Shell

OWN = "own;{va}lue 9d\u00fc7"
PLACES = {  # where → what is put before or into the job file, and what is said of it
    "a variable": ("environment_variables:", f"environment_variables:\n  DB_PWD: {PASSWORD}"),
    "a variable of any name": (
        *("environment_variables:", f"environment_variables:\n  LEVEL: {ENTRA_SECRET}"),
    ),
    "the command": ("python train.py", f"python train.py --url '{SAS}'"),
    "an input": (
        "command: python train.py",
        f"inputs: {{url: 'redis://:{WORDY}@h'}}\ncommand: python train.py ${{{{inputs.url}}}}",
    ),
    "a tag": ("compute:", f"tags: {{note: {json.dumps(OWN)}}}\ncompute:"),
    "a property": ("compute:", f"properties: {{note: {GITHUB}}}\ncompute:"),
    "the display name": ("compute:", f"display_name: {json.dumps(OWN)}\ncompute:"),
    "the description": ("compute:", f"description: as {GITHUB} says\ncompute:"),
    "the experiment's name": ("flight-delays", GITHUB),
    "the environment's image": ("image: ubuntu", f"image: {json.dumps(f'registry/{OWN}')}"),
}


@pytest.mark.parametrize("place", PLACES)
def test_pain_1_a_secret_in_plain_view_is_refused(shell: Shell, place: str) -> None:
    """Exit code 2 before anything of the job is sent; the place, not the value."""
    shell.edit(*PLACES[place])
    before = len(shell.azure.requests)
    done = shell("submit", "job.yml", DB_PASSWORD=OWN)
    assert done.returncode == 2, done.stderr
    assert "readable by everyone who can read the workspace" in done.stderr
    assert "job.yml:" in done.stderr
    for value in (OWN, PASSWORD, WORDY, GITHUB, ENTRA_SECRET, SAS):
        assert value not in done.stdout + done.stderr
    assert shell.nothing_of_the_job_sent(before)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("Dockerfile", f"RUN curl https://me:{WORDY}@files/x.tar.gz"),
        ("Dockerfile", f"ENV DB_PASSWORD={PASSWORD}"),
        ("Dockerfile", "RUN echo own%3B%7Bva%7Dlue%209d%C3%BC7"),
        ("conda.yml", f"      - x @ https://{GITHUB}@github.com/a/b"),
    ],
)
def test_pain_1_a_secret_in_the_registered_environment_is_refused(
    shell: Shell, file: str, line: str
) -> None:
    """Of a job, and of `env register`: everyone who uses it could read it."""
    shell.write("Dockerfile", "FROM ubuntu\n")
    shell.write("conda.yml", "dependencies:\n  - python=3.11\n  - pip:\n      - pyodbc\n")
    (shell.folder / file).write_text((shell.folder / file).read_text() + line + "\n")
    (shell.folder / ".amlignore").write_text("Dockerfile\nconda.yml\n")  # not as files
    shell.edit("image: ubuntu", "build: {path: .}, conda_file: conda.yml")
    before = len(shell.azure.requests)
    for verb in (["submit", "job.yml"], ["env", "register", "x", "--folder", "."]):
        done = shell(*verb, DB_PASSWORD=OWN)
        assert done.returncode == 2, done.stderr
        assert file in done.stderr
    assert shell.nothing_of_the_job_sent(before)


def test_all_findings_are_told_at_once_and_bounded(shell: Shell) -> None:
    """File, line and what it is; many of one kind in one file on one line."""
    shell.write("many.py", "".join(f"x{n} = 'redis://:{WORDY}{n}@h'\n" for n in range(50)))
    for number in range(30):
        shell.write(f"key{number:02}.py", f"PASSWORD = '{PASSWORD}'\n")
    shell.edit("compute:", f"tags: {{a: {GITHUB}}}\ncompute:")
    done = shell("plan", "job.yml", OTHER_TOKEN="unused-value")
    assert done.returncode == 2
    said = done.stderr
    assert "81 credentials would be readable" in said
    assert "\n  job.yml:5: a token of GitHub\n" in said
    assert "\n  key00.py:1: a credential in quotes\n" in said
    assert "… and 12 places more" in said
    assert len(said.splitlines()) < 30
    assert "--allow-plaintext" in said
    assert "pragma: allowlist secret" in said


def test_letting_one_through_takes_its_place_and_leaves_a_warning(shell: Shell) -> None:
    """By file and line, by file, or by a comment in the line; the plan shows each."""
    shell.write("a.py", f"x = 1\nPASSWORD = '{PASSWORD}'\n")
    shell.write("b.json", json.dumps({"password": PASSWORD}))
    shell.write("c.py", f"TOKEN = '{GITHUB}'  # pragma: allowlist secret\n")
    assert shell("plan", "job.yml", "--allow-plaintext", "a.py:1").returncode == 2
    assert shell("plan", "job.yml", "--allow-plaintext", "a.py:2").returncode == 2
    allowed = ["--allow-plaintext", "a.py:2", "--allow-plaintext", "b.json"]
    done = shell("plan", "job.yml", *allowed)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning")]
    assert [line.split()[1] for line in warnings] == ["a.py:2:", "b.json:1:", "c.py:1:"]
    assert warnings[0].endswith("all of the workspace will be able to read it.")
    assert "by a comment" in warnings[2]
    assert PASSWORD not in done.stdout
    shown = json.loads(shell("plan", "job.yml", *allowed, "--json").stdout)
    assert len(shown["warnings"]) == 3


def test_a_variable_that_is_let_through_may_stand_in_the_job_file_too(shell: Shell) -> None:
    """The job file travels with the code: its line is allowed with the variable."""
    text = f"environment_variables:\n  SQL_LOGIN: Server=x;UID=u;PWD={PASSWORD}"
    shell.edit("environment_variables:", text)
    assert shell("plan", "job.yml").returncode == 2
    done = shell("plan", "job.yml", "--allow-plaintext", "SQL_LOGIN")
    assert done.returncode == 0, done.stderr
    assert ": SQL_LOGIN would carry a credential" in done.stdout


def test_an_env_file_stays_at_home(shell: Shell) -> None:
    """It never travels, so it is nothing to refuse."""
    shell.write(".env", f"DB_PASSWORD={PASSWORD}\n")
    done = shell("plan", "job.yml", "--json")
    assert done.returncode == 0, done.stderr
    paths = [file["path"] for file in json.loads(done.stdout)["snapshot"]["files"]]
    assert ".env" not in paths


def test_a_leak_stops_a_submission_before_the_upload(shell: Shell) -> None:
    """A file deep in the project is enough."""
    (shell.folder / "a/b c/\u00fc").mkdir(parents=True)
    file, content = LEAKS["key in a JSON text"]
    shell.write(f"a/b c/\u00fc/{file}", str(content))
    before = len(shell.azure.requests)
    done = shell("submit", "job.yml")
    assert done.returncode == 2
    assert f"a/b c/\u00fc/{file}:1: a private key" in done.stderr
    assert shell.nothing_of_the_job_sent(before)


def test_pain_3_git_information_travels_without_its_token(shell: Shell) -> None:
    """The properties of the SDK, in the run and in its snapshot, and the token in neither."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for arguments in (
        ["init", "-b", "main"],
        ["add", "."],
        ["commit", "-m", "first"],
        ["remote", "add", "origin", f"https://me:{GITHUB}@github.com/a/b.git"],
    ):
        subprocess.run([*git, *arguments], cwd=shell.folder, check=True, capture_output=True)
    planned = json.loads(shell("plan", "job.yml", "--json").stdout)
    done = shell("submit", "job.yml", "--no-wait")
    assert done.returncode == 0, done.stderr
    run = shell.azure.runs[-1]
    url = "https://github.com/a/b.git"
    assert run.properties["azureml.git.repository_uri"] == url
    assert run.properties["mlflow.source.git.repoURL"] == url
    assert run.properties["azureml.git.branch"] == "main"
    assert run.properties["azureml.git.dirty"] == "False"
    assert len(run.properties["mlflow.source.git.commit"]) == 40
    assert planned["git"].items() <= run.properties.items()
    assert GITHUB not in repr(run.to_wire()) + repr(run.definition) + repr(shell.azure.requests)
    assert GITHUB not in done.stdout + done.stderr


def test_pain_3_the_sdks_own_variables_bring_no_token_along(shell: Shell) -> None:
    """azureml-core sends AZUREML_GIT_REPOSITORY_URI as it is."""
    url = f"https://build:{GITHUB}@dev.azure.com/o/p/_git/r"
    done = shell("submit", "job.yml", "--no-wait", AZUREML_GIT_REPOSITORY_URI=url)
    assert done.returncode == 0, done.stderr
    properties = shell.azure.runs[-1].properties
    assert properties["azureml.git.repository_uri"] == "https://dev.azure.com/o/p/_git/r"


def test_pain_3_a_temporary_folder_in_a_repository_brings_no_token_along(shell: Shell) -> None:
    """azureml-core would ask git in the folder that is uploaded."""
    temporary = shell.folder / "repository/tmp"
    temporary.mkdir(parents=True)
    for arguments in (["init"], ["remote", "add", "origin", f"https://{GITHUB}@github.com/a/b"]):
        subprocess.run(
            ["git", *arguments], cwd=shell.folder / "repository", check=True, capture_output=True
        )
    shell.write(".amlignore", "repository\n")
    done = shell("submit", "job.yml", "--no-wait", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert GITHUB not in repr(shell.azure.runs[-1].to_wire())
