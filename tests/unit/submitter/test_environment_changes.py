"""Two environments held against each other."""

from typing import Any

import pytest

from submitter.environment import EnvironmentDefinition
from submitter.environment_changes import Change, changes

CONDA: dict[str, Any] = {
    "channels": ["conda-forge"],
    "dependencies": ["python=3.11", "pip", {"pip": ["pyodbc==5.5.0", "pandas[excel]==3.1.1"]}],
}


def made(**parts: Any) -> EnvironmentDefinition:
    """Make an environment of a Dockerfile and a conda specification."""
    usual = {"dockerfile": "FROM base\nRUN one\nUSER 1\n", "conda": CONDA}
    return EnvironmentDefinition(name="flights", **{**usual, **parts})


def with_pip(*lines: str) -> dict[str, Any]:
    """Return the conda specification with other pip requirements."""
    return {**CONDA, "dependencies": ["python=3.11", "pip", {"pip": list(lines)}]}


def test_what_is_equal_has_no_changes() -> None:
    """White space around the Dockerfile is nothing, as in the content hash."""
    assert changes(made(), made(dockerfile="\nFROM base\nRUN one\nUSER 1")) == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"conda": with_pip("pyodbc==5.5.1", "pandas[excel]==3.1.1")},
            [Change("pip", "pyodbc", "==5.5.0", "==5.5.1")],
        ),
        (
            {"conda": with_pip("PyODBC==5.5.0", "pandas==3.1.1", "pyarrow>=17")},
            [
                Change("pip", "pandas", "[excel]==3.1.1", "==3.1.1"),
                Change("pip", "pyarrow", None, ">=17"),
            ],
        ),
        (
            {"conda": {**CONDA, "dependencies": ["python=3.12", *CONDA["dependencies"][1:]]}},
            [Change("conda", "python", "=3.11", "=3.12")],
        ),
        (
            {"conda": {**CONDA, "channels": ["defaults"]}},
            [Change("conda", "channels", '["conda-forge"]', '["defaults"]')],
        ),
        (
            {"dockerfile": "FROM base\nRUN two\nRUN three\nUSER 1\n"},
            [
                Change("Dockerfile", "line 2", "RUN one", "RUN two"),
                Change("Dockerfile", "line 3", None, "RUN three"),
            ],
        ),
        (
            {"dockerfile": "FROM base\nUSER 1\n"},
            [Change("Dockerfile", "line 2", "RUN one", None)],
        ),
        (
            {"variables": {"MODE": "fast", "DB_PASSWORD": "hunter2hunter2"}},
            [
                Change("variable", "DB_PASSWORD", None, "…"),
                Change("variable", "MODE", None, "fast"),
            ],
        ),
    ],
    ids=["pin", "packages", "conda", "channels", "lines", "line gone", "variables"],
)
def test_every_part_is_held_against_its_like(parts: dict[str, Any], expected: list[Change]) -> None:
    """Packages by name, variables by name and masked, the Dockerfile by lines."""
    found = [
        change if change.name != "DB_PASSWORD" else Change(change.part, change.name, None, "…")
        for change in changes(made(), made(**parts))
    ]
    assert found == expected
    assert "hunter2" not in repr(changes(made(), made(**parts)))


def test_an_image_in_place_of_a_dockerfile() -> None:
    """Every line is gone and the image is new."""
    found = changes(made(), made(dockerfile=None, image="ubuntu"))
    assert Change("image", "", None, "ubuntu") in found
    assert Change("Dockerfile", "line 1", "FROM base", None) in found


def test_whatever_makes_a_new_version_is_a_change() -> None:
    """The order of packages counts for the hash, and is named."""
    other = made(conda=with_pip("pandas[excel]==3.1.1", "pyodbc==5.5.0"))
    assert other.content_hash != made().content_hash
    assert [change.name for change in changes(made(), other)] == ["order"]


def test_two_credentials_that_differ_are_a_change_and_stay_masked() -> None:
    """Neither value is shown."""
    [change] = changes(
        made(variables={"API_KEY": "first-secret-value"}),
        made(variables={"API_KEY": "other-secret-value"}),
    )
    assert change.name == "API_KEY"
    assert "secret-value" not in repr(change)
