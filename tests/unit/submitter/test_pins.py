"""The image's packages are the ones that were tested."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def locked(python: str, file: str = "requirements.lock") -> dict[str, str]:
    """Return package → version as a lock pins it for one Python."""
    pins = {}
    for line in (ROOT / file).read_text().splitlines():
        if "==" not in line or line.startswith(" "):
            continue
        requirement = Requirement(line.rstrip(" \\"))
        surroundings = {"python_full_version": f"{python}.0", "python_version": python}
        if requirement.marker is None or requirement.marker.evaluate(surroundings):
            pins[requirement.name] = str(requirement.specifier).removeprefix("==")
    return pins


def test_pain_10_conda_pins_what_the_lock_pins() -> None:
    """docker/conda.yml and requirements.lock name the same versions."""
    conda = yaml.safe_load((ROOT / "docker/conda.yml").read_text())
    [python] = [item for item in conda["dependencies"] if str(item).startswith("python=")]
    [pip] = [item["pip"] for item in conda["dependencies"] if isinstance(item, dict)]
    pins = locked(python.removeprefix("python="))
    assert {line: pins[line.split("==")[0]] for line in pip} == {
        line: line.split("==")[1] for line in pip
    }


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_the_image_has_what_was_tested(python: str) -> None:
    """docker/requirements.lock is the part of requirements.lock that conda.yml asks for."""
    conda = yaml.safe_load((ROOT / "docker/conda.yml").read_text())
    [pip] = [item["pip"] for item in conda["dependencies"] if isinstance(item, dict)]
    image = locked(python, "docker/requirements.lock")
    assert image.items() <= locked(python).items()
    assert {Requirement(line).name for line in pip} <= image.keys()


def test_every_package_of_the_image_is_pinned_by_hash() -> None:
    """And by the very hashes of requirements.lock."""
    image, tested = (
        set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", (ROOT / name).read_text()))
        for name in ("docker/requirements.lock", "requirements.lock")
    )
    assert image
    assert image <= tested


def test_the_registered_driver_is_the_one_that_the_packages_bring() -> None:
    """The Dockerfile names version and hash of mssql-python-odbc as the lock does."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    pinned = re.search(r"mssql-python-odbc==(\S+) \\\s+([0-9a-f]{64})", dockerfile)
    assert pinned is not None
    assert pinned[1] == locked("3.11", "docker/requirements.lock")["mssql-python-odbc"]
    [entry] = re.findall(
        r"^mssql-python-odbc==.*?(?=^\S)",
        (ROOT / "docker/requirements.lock").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert f"sha256:{pinned[2]}" in entry


def test_no_file_names_a_package_host() -> None:
    """A fresh machine asks whatever index it is set up for."""
    locks = [path.name for path in ROOT.glob("requirements*.lock")]
    assert len(locks) == 4
    image = ("docker/requirements.lock", "docker/Dockerfile", "docker/Dockerfile.packages")
    for name in (*locks, *image, "pyproject.toml", "Makefile"):
        assert not re.search(r"index-url|https?://(?!\$)", (ROOT / name).read_text()), name
