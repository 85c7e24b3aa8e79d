"""The image's packages are the ones that were tested."""

import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def locked(python: str) -> dict[str, str]:
    """Return package → version as requirements.lock pins it for one Python."""
    pins = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
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


def test_no_file_names_a_package_host() -> None:
    """A fresh machine asks whatever index it is set up for."""
    locks = ("requirements.lock", "requirements-bench.lock", "requirements-build.lock")
    for name in (*locks, "pyproject.toml", "Makefile"):
        assert not re.search(r"index-url|https?://(?!\$)", (ROOT / name).read_text()), name
