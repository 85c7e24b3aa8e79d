"""Registered environments: the same inputs keep their version, and what would change is shown."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shell import Shell, flights_emulator, project

from submitter.emulator import Emulator

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start an emulator."""
    with flights_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator
        assert emulator.unknown_routes == []


@pytest.fixture
def shell(azure: Emulator, tmp_path: Path) -> Shell:
    """Make a project with this project's own docker/."""
    shell = project(azure, tmp_path / "project")
    shutil.copytree(DOCKER, shell.folder / "docker")
    return shell


def test_the_same_inputs_are_the_same_environment_and_one_pin_makes_another(shell: Shell) -> None:
    """Versions as the service counts them; `env diff` says beforehand what will happen."""
    registered = [shell("env", "register", "pins").stdout for _ in range(2)]
    assert registered == ["azureml:pins:1\n"] * 2
    same = shell("env", "diff", "pins")
    assert (same.returncode, same.stdout) == (0, "")
    assert "docker is what azureml:pins:1 was made of" in same.stderr

    conda = shell.folder / "docker/conda.yml"
    pinned = conda.read_text(encoding="utf-8")
    assert "tenacity==9.2.1" in pinned
    conda.write_text(pinned.replace("tenacity==9.2.1", "tenacity==9.2.0"))
    changed = shell("env", "diff", "pins:1")
    assert changed.returncode == 9
    assert changed.stdout == "pip\ttenacity\t==9.2.1\t==9.2.0\n"
    assert shell("env", "register", "pins").stdout == "azureml:pins:2\n"
    assert shell("env", "diff", "pins").returncode == 0
    assert shell("env", "diff", "pins:1").returncode == 9


def test_a_difference_as_data(shell: Shell) -> None:
    """Variables are compared with those that registering would be given, and masked."""
    given = ("--variable", "MODE=fast", "--allow-plaintext", "DB_PASSWORD")
    done = shell(
        "env", "register", "data", *given, "--from-env", "DB_PASSWORD", DB_PASSWORD="x7y8z9"
    )
    assert done.returncode == 0, done.stderr
    found = shell("env", "diff", "data", "--variable", "MODE=slow", "--json")
    assert found.returncode == 9
    data = json.loads(found.stdout)
    assert (data["name"], data["version"], data["folder"]) == ("data", "1", "docker")
    assert [(change["name"], change["after"]) for change in data["changes"]] == [
        ("DB_PASSWORD", None),
        ("MODE", "slow"),
    ]
    assert "x7y8z9" not in found.stdout


def test_no_credential_of_an_environment_is_shown(shell: Shell) -> None:
    """Whoever let one through knowingly does not see it on the screen all the same."""
    value = "hunter2" + "xyz9Q-canary"
    dockerfile = shell.folder / "docker/Dockerfile"
    plain = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(f"{plain}ENV DB_PASSWORD={value}\nENV MODE={value[::-1]}\n")
    variables = {"OTHER_TOKEN": value[::-1]}  # this machine's own, in a variable of any name
    refused = shell("env", "register", "leaky", **variables)
    assert refused.returncode == 2
    allowed = [f"--allow-plaintext={place}" for place in _places(refused.stderr)]
    assert shell("env", "register", "leaky", *allowed, **variables).returncode == 0
    dockerfile.write_text(plain, encoding="utf-8")
    for verb in (["show"], ["show", "--json"], ["diff"], ["diff", "--json"]):
        done = shell("env", verb[0], "leaky", *verb[1:], **variables)
        assert "FROM ${BASE_IMAGE}" in done.stdout or verb[0] == "diff"
        assert "••••••" in done.stdout
        assert value not in done.stdout + done.stderr
        assert value[::-1] not in done.stdout + done.stderr


def _places(refusal: str) -> list[str]:
    """Return what to allow for each finding that a refusal lists."""
    return [line.strip().partition(": ")[0] for line in refusal.splitlines() if line[:2] == "  "]


def test_wrong_names_and_folders_are_told_apart_from_differences(shell: Shell) -> None:
    """Codes 4 and 2, never 9."""
    assert shell("env", "diff", "nowhere").returncode == 4
    assert shell("env", "register", "some").returncode == 0
    assert shell("env", "diff", "some:77").returncode == 4
    missing = shell("env", "diff", "some", "--folder", "nothing")
    assert missing.returncode == 2
    assert "There is no Dockerfile at nothing/Dockerfile" in missing.stderr
