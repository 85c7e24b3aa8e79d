"""docker/ → the definition of an environment."""

from pathlib import Path

import pytest

from submitter import environment
from submitter.errors import EnvironmentFileError

CONDA = "dependencies:\n  - python=3.11\n  - pip:\n      - pyodbc==5.5.0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a docker folder that is right."""
    (tmp_path / "Dockerfile").write_text("FROM base\nRUN true\n")
    (tmp_path / "conda.yml").write_text(CONDA)
    return tmp_path


def test_a_folder_becomes_a_definition(folder: Path) -> None:
    """Dockerfile, conda specification and variables are read as they are."""
    found = environment.from_folder("flights", folder, {"MODE": "fast"})
    assert found.name == "flights"
    assert found.dockerfile == "FROM base\nRUN true\n"
    assert found.conda == {"dependencies": ["python=3.11", {"pip": ["pyodbc==5.5.0"]}]}
    assert found.variables == {"MODE": "fast"}


def test_the_hash_follows_the_content_and_nothing_else(folder: Path) -> None:
    """Comments in conda.yml and the name change nothing; a pin, a variable or a line does."""
    first = environment.from_folder("a", folder).content_hash
    (folder / "conda.yml").write_text(f"# a comment\n{CONDA}")
    assert environment.from_folder("b", folder).content_hash == first
    assert environment.from_folder("a", folder, {"MODE": "x"}).content_hash != first
    (folder / "conda.yml").write_text(CONDA.replace("5.5.0", "5.5.1"))
    assert environment.from_folder("a", folder).content_hash != first


def test_without_a_name_the_hash_is_the_name(folder: Path) -> None:
    """The same content is then found again under the same name."""
    found = environment.definition(dockerfile=folder / "Dockerfile")
    assert found.name == f"submitter-{found.content_hash[:12]}"


def test_values_of_variables_stay_out_of_the_repr(folder: Path) -> None:
    """A definition may be logged."""
    assert "hunter2" not in repr(environment.from_folder("a", folder, {"A": "hunter2"}))


@pytest.mark.parametrize("instruction", ["COPY app /app", "  add x y", "Copy\ta b"])
def test_copying_needs_a_context_that_v1_does_not_have(folder: Path, instruction: str) -> None:
    """The line is named, before Azure fails the build an hour later."""
    (folder / "Dockerfile").write_text(f"FROM base\n{instruction}\n")
    with pytest.raises(EnvironmentFileError, match=r"Dockerfile:2: .*without a build context"):
        environment.from_folder("a", folder)


@pytest.mark.parametrize(
    ("conda", "line"),
    [
        ("dependencies:\n  - pip: pyodbc\n", 2),
        ("dependencies:\n  - pip:\n      - py odbc==\n", 3),
        ("dependencies:\n  - pip:\n      - -r requirements.txt\n", 3),
        ("dependencies:\n  - 3.11\n", 2),
        ("dependencies:\n  - [a]\n", 2),
        ("channels: [x]\n", 1),
        ("dependencies: python\n", 1),
    ],
)
def test_nonsense_in_conda_yml_is_refused(folder: Path, conda: str, line: int) -> None:
    """azureml-core registers all of these without a word."""
    (folder / "conda.yml").write_text(conda)
    with pytest.raises(EnvironmentFileError, match=rf"conda\.yml:{line}: "):
        environment.from_folder("a", folder)


def test_a_dockerfile_that_is_no_text_is_refused(folder: Path) -> None:
    """Not with a traceback."""
    (folder / "Dockerfile").write_bytes(b"FROM \xff\n")
    with pytest.raises(EnvironmentFileError, match="is not UTF-8"):
        environment.from_folder("a", folder)


def test_every_text_of_an_environment_can_be_searched(folder: Path) -> None:
    """The guard sees what the workspace's readers will see."""
    found = environment.from_folder("flights", folder, {"MODE": "fast"})
    texts = [text for _, text in environment.texts(found)]
    assert {"flights", "FROM base\nRUN true\n", "pyodbc==5.5.0", "fast"} <= set(texts)


def test_a_missing_dockerfile_says_what_to_do(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(EnvironmentFileError, match=r"no Dockerfile at .*submitter init DIR"):
        environment.from_folder("a", tmp_path)
