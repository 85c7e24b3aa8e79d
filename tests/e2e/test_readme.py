"""The README's code blocks run, in order, in one folder, against one emulator."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from submitter.emulator import Emulator
from submitter.job import Job
from submitter.planning import plan
from submitter.summary import as_data

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a folder, and the variables of somebody with the emulator for an Azure."""
    folder = tmp_path_factory.mktemp("newcomer")
    config = ROOT / "submitter/templates/flights/emulator.yml"
    with Emulator(config) as azure:
        azure.write_workspace_config(folder)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        remote = {
            "AZURE_SECRET_1": "sql-username",
            "AZURE_SECRET_2": "sql-password",
            "SQL_DATABASE": "flights",
        }
        yield folder, {**os.environ, **azure.environ, **remote, "PATH": path, "CI": "1"}
        assert azure.egress == []
        assert azure.unknown_routes == []


@pytest.mark.timeout(300)
def test_the_code_blocks_run(place: tuple[Path, dict[str, str]]) -> None:
    """Shell and Python alike end with 0; the YAML is the example's."""
    folder, environ = place
    here = folder
    ran = 0
    for language, code in BLOCK.findall((ROOT / "README.md").read_text()):
        if language == "bash":
            arguments = ["bash", "-euo", "pipefail", "-c", f"{code}\npwd > {folder}/where"]
        elif language == "python":
            arguments = [sys.executable, "-c", code]
        else:
            assert language in {"yaml", "console"}, f"what is a block of {language}?"
            continue
        done = subprocess.run(
            arguments,
            cwd=here,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        if (folder / "where").exists():
            here = Path((folder / "where").read_text().strip())
        ran += 1
    assert ran >= 6
    assert (here / "results/outputs/model.joblib").exists()


def test_the_yaml_is_the_examples() -> None:
    """What the README shows of a job file is what `submitter init` writes."""
    job = yaml.safe_load((ROOT / "submitter/templates/flights/job.yml").read_text())
    [shown] = [
        yaml.safe_load(code)
        for language, code in BLOCK.findall((ROOT / "README.md").read_text())
        if language == "yaml"
    ]
    for key in ("environment", "compute"):
        assert shown[key] == job[key]
    assert shown["inputs"].items() <= job["inputs"].items()
    assert shown["environment_variables"].items() <= job["environment_variables"].items()
    assert job["command"].startswith(shown["command"])


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """The README's table, the command line's epilog and the error tree agree."""
    from submitter import errors
    from submitter.cli import app

    readme = (ROOT / "README.md").read_text()
    for name in ("InputError", "SignInError", "NotFoundError", "ServiceError"):
        assert f"| {getattr(errors, name).exit_code} |" in readme
    codes = {errors.RunFailedError.exit_code, errors.RunCanceledError.exit_code}
    assert f"| {', '.join(map(str, sorted(codes)))} |" in readme
    epilog = app.info.epilog
    assert epilog is not None
    for code in (2, 3, 4, 5, 6, 7, 130):
        assert f"{code} " in epilog


def test_every_relative_link_leads_somewhere() -> None:
    """In every Markdown file of the repository."""
    for document in ROOT.rglob("*.md"):
        if {".venv", "build", "node_modules"} & set(document.relative_to(ROOT).parts):
            continue
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_plans_of_the_example_name_no_secret() -> None:
    """What `submitter plan --json` prints of the example is references only."""
    made = plan(Job.from_file(ROOT / "submitter/templates/flights/job.yml"), environ={})
    variables = as_data(made)["variables"]
    assert variables["AZURE_CLIENT_SECRET_FROM_WORKSPACE"] == "training-client-secret"
    assert "AZURE_CLIENT_SECRET" not in variables
