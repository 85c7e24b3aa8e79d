"""`submitter audit`: what a run shows to everyone, read back from the service.

Pain 1 (secrets in plain view in variables, arguments and tags) and pain 3 (a git token in a run's
properties) of runs that somebody else has started already.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.leaks import ENTRA_SECRET, GITHUB, WORDY
from support.shell import Shell, project

from submitter.emulator import Emulator

OWN = "own;{va}lue 9d\u00fc7"
"""What stands in DB_PASSWORD on the laptop."""
# What people's scripts for azureml-core do.
SUBMIT = """\
import os
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

workspace = Workspace.from_config()
environment = Environment.from_docker_image("bare", "ubuntu")
environment.environment_variables["STORAGE_KEY"] = os.environ["PLANTED"]
config = ScriptRunConfig(
    "code", script="train.py", arguments=["--url", os.environ["URL"]],
    compute_target="cpu-cluster", environment=environment,
)
run = Experiment(workspace, "bare").submit(config, tags={"note": os.environ["OWN"]})
run.display_name = "by " + os.environ["PLANTED"]
run.wait_for_completion()
print(run.id)
"""
TRAIN = """\
import base64, sys
from azureml.core import Run

run = Run.get_context()
run.log("connected to", sys.argv[2])
for number in range(3000):
    print("line", number)
print("body", base64.b64encode({own!r}.encode()).decode())
open("outputs/{token}.txt", "w").write("x")
run.flush()
"""


@pytest.fixture(scope="module")
def bare(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, str]:
    """Submit a run with azureml-core alone that shows a credential in every place."""
    shell = project(azure, tmp_path_factory.mktemp("bare") / "a project")
    (shell.folder / "code").mkdir()
    shell.write("code/train.py", TRAIN.format(own=OWN, token=GITHUB))
    shell.write("submit.py", SUBMIT)
    done = subprocess.run(
        [sys.executable, "submit.py"],
        cwd=shell.folder,
        env={
            **shell.environ,
            "AZUREML_GIT_REPOSITORY_URI": f"https://{GITHUB}@github.com/a/b",
            "PLANTED": ENTRA_SECRET,
            "URL": f"postgresql://app:{WORDY}@db/app",
            "OWN": OWN,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return shell, done.stdout.split()[-1]


def test_a_run_of_the_bare_sdk_is_searched_in_every_place(bare: tuple[Shell, str]) -> None:
    """Each planted credential is found, with its place, and no value is shown."""
    shell, run_id = bare
    done = shell("audit", run_id, "--json", DB_PASSWORD=OWN)
    assert done.returncode == 8, done.stderr
    found = {(one["place"], one["what"]) for one in json.loads(done.stdout)["exposures"]}
    for place, what in (
        ("properties (azureml.git.repository_uri)", "a token of GitHub"),
        ("definition (arguments.1)", "a password in a URL"),
        ("tags (note)", "the value of DB_PASSWORD"),
        ("display name", "a client secret of Microsoft Entra"),
        ("metrics (connected to)", "a password in a URL"),
        ("user_logs/std_log.txt", "the value of DB_PASSWORD"),
        ("the variable STORAGE_KEY of the environment bare", "a client secret of Microsoft Entra"),
    ):
        assert (place, what) in found
    assert ("names of files (0)", "a token of GitHub") in found
    encoded = base64.b64encode(OWN.encode()).decode()
    for value in (ENTRA_SECRET, GITHUB, WORDY, OWN, encoded):
        assert value not in done.stdout + done.stderr
    assert f"in plain view in the run {run_id}" in done.stderr
    assert "Replace each one where it is issued" in done.stderr


def test_the_line_of_a_long_log_is_named(bare: tuple[Shell, str]) -> None:
    """So that somebody can look."""
    shell, run_id = bare
    data = json.loads(shell("audit", run_id, "--json", DB_PASSWORD=OWN).stdout)
    log = (shell.azure.run(run_id), "user_logs/std_log.txt")[1]
    lines = [one["line"] for one in data["exposures"] if one["place"] == log]
    assert lines
    assert all(line > 3000 for line in lines)
    assert data["looked_at"][log] > 20_000


def test_a_run_of_ours_shows_nothing(shell: Shell) -> None:
    """The main job, read back: exit code 0, and a list of what was looked at."""
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stderr
    run = shell.azure.runs[-1].run_id
    done = shell("audit", run)
    assert done.returncode == 0, done.stdout + done.stderr
    for place in ("definition", "properties", "environment", "user_logs/std_log.txt"):
        assert f"{place}\t" in done.stdout
    assert json.loads(shell("audit", run, "--json").stdout)["exposures"] == []


def test_an_unknown_run_is_not_called_clean(shell: Shell) -> None:
    """Exit code 4, not 0."""
    assert shell("audit", "nobody_1").returncode == 4


def test_a_log_that_cannot_be_read_is_not_called_clean(bare: tuple[Shell, str]) -> None:
    """What nobody has read, nobody knows."""
    shell, run_id = bare
    shell.azure.faults.add("storage", "GET .*std_log", status=403, times=None)
    try:
        done = shell("audit", run_id)
    finally:
        shell.azure.faults.clear()
    assert done.returncode == 5, done.stdout
    assert "std_log.txt of " in done.stderr


def test_it_is_in_the_library_too(bare: tuple[Shell, str], tmp_path: Path) -> None:
    """`RunHandle.audit()`, and an error for those who want one."""
    shell, run_id = bare
    program = (
        "import sys, submitter\n"
        f"audit = submitter.get_run({run_id!r}).audit()\n"
        "print(len(audit.exposures) > 5, audit.run_id)\n"
        "try: audit.raise_if_exposed()\n"
        "except submitter.ExposureError as error: print(error.exit_code)\n"
    )
    assert shell.python(program) == f"True {run_id}\n8\n"
