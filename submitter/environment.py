"""A folder with a Dockerfile and a conda.yml → the definition of a registered environment."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from remote_entry.marked_yaml import KeyPath, MarkedYaml, YamlError, load_file
from submitter import guard
from submitter.errors import EnvironmentFileError

_NEEDS_A_CONTEXT = re.compile(r"^\s*(COPY|ADD)\s", re.IGNORECASE)
_CONDA_SPEC = re.compile(r"^[\w.\-]+(::[\w.\-]+)?(\s*[<>=!~].*)?$")


@dataclass(frozen=True)
class EnvironmentDefinition:
    """What an environment is made of, before a workspace knows it.

    Attributes:
        name: The name to register under.
        dockerfile: The Dockerfile's text; `None` with `image`.
        image: A ready image; `None` with `dockerfile`.
        conda: The conda specification as data; `None` leaves Python to the image.
        conda_file: Where `conda` was read from.
        variables: Environment variables of every run in it, readable by all of the workspace.
    """

    name: str
    dockerfile: str | None = field(default=None, repr=False)
    image: str | None = None
    conda: Mapping[str, Any] | None = field(default=None, repr=False)
    conda_file: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def content_hash(self) -> str:
        """See `content_hash`."""
        return content_hash(self.dockerfile, self.image, self.conda, self.variables)


def texts(definition: EnvironmentDefinition) -> Iterator[tuple[str, str]]:
    """Yield everything that the workspace's readers will see of an environment, and where it is."""
    yield f"the name of the environment {definition.name}", definition.name
    yield f"the image of the environment {definition.name}", definition.image or ""
    yield f"the Dockerfile of the environment {definition.name}", definition.dockerfile or ""
    for keys, text in guard.texts_in(definition.conda):
        yield f"{definition.conda_file} ({'.'.join(map(str, keys))})", text
    for name, value in definition.variables.items():
        yield f"the variable {name} of the environment {definition.name}", value


def content_hash(
    dockerfile: str | None,
    image: str | None,
    conda: Mapping[str, Any] | None,
    variables: Mapping[str, str],
) -> str:
    """Return 64 hex digits that are equal for environments with equal contents."""
    content = {
        "dockerfile": dockerfile.strip() if dockerfile else None,
        "image": image or None,
        "conda": conda,
        "variables": dict(variables),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def from_folder(
    name: str, folder: Path, variables: Mapping[str, str] | None = None
) -> EnvironmentDefinition:
    """Read `Dockerfile` and `conda.yml` of a folder.

    Args:
        name: The name to register under.
        folder: Usually `docker/`; `conda.yml` may be absent.
        variables: Environment variables of every run in the environment.

    Raises:
        EnvironmentFileError: No Dockerfile, one that needs a build context, or a wrong conda.yml.
    """
    conda_file = folder / "conda.yml"
    return definition(
        name,
        dockerfile=folder / "Dockerfile",
        conda_file=conda_file if conda_file.exists() else None,
        variables=variables,
    )


def definition(
    name: str | None = None,
    *,
    dockerfile: Path | None = None,
    image: str | None = None,
    conda_file: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> EnvironmentDefinition:
    """Read and check the parts of an environment.

    Args:
        name: The name to register under; without one it is made from the content's hash.
        dockerfile: Path of the Dockerfile, or
        image: the name of a ready image.
        conda_file: Path of the conda specification.
        variables: Environment variables of every run in the environment.

    Raises:
        EnvironmentFileError: A file is missing or wrong; with file and line.
    """
    text = _read_dockerfile(dockerfile) if dockerfile else None
    conda = _read_conda(conda_file) if conda_file else None
    variables = variables or {}
    return EnvironmentDefinition(
        name=name or f"submitter-{content_hash(text, image, conda, variables)[:12]}",
        dockerfile=text,
        image=image,
        conda=conda,
        conda_file=conda_file,
        variables=variables,
    )


def _read_dockerfile(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise EnvironmentFileError(f"{path}:1: this Dockerfile is not UTF-8 text.") from None
    except OSError:
        raise EnvironmentFileError(
            f"There is no Dockerfile at {path}. "
            "Name the folder it is in, or write an example with: submitter init DIR"
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        if _NEEDS_A_CONTEXT.match(line):
            raise EnvironmentFileError(
                f"{path}:{number}: Azure ML v1 builds an environment without a build context, so "
                "there is nothing to COPY or ADD. Install packages with RUN or conda.yml; code "
                "travels in the snapshot."
            )
    return text


def _read_conda(path: Path) -> dict[str, Any]:
    try:
        document = load_file(path)
    except YamlError as error:
        raise EnvironmentFileError(str(error)) from None
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("dependencies"), list):
        raise EnvironmentFileError(f"{path}:1: a conda file needs a list under 'dependencies'.")
    for index, dependency in enumerate(data["dependencies"]):
        _check_dependency(document, ("dependencies", index), dependency)
    return data


def _check_dependency(document: MarkedYaml, keys: KeyPath, dependency: object) -> None:
    """Refuse what azureml-core's own parser lets through: it registers nonsense."""
    if isinstance(dependency, str) and _CONDA_SPEC.match(dependency):
        return
    pip = dependency.get("pip") if isinstance(dependency, dict) else None
    if not isinstance(pip, list):
        raise EnvironmentFileError(
            f"{document.where(keys)}: a dependency is 'name=version' or a 'pip:' list of "
            "requirements."
        )
    for index, line in enumerate(pip):
        try:
            Requirement(line)
        except (InvalidRequirement, TypeError):
            raise EnvironmentFileError(
                f"{document.where((*keys, 'pip', index))}: this is no pip requirement; write it "
                "as name==version (options and files cannot travel in an environment)."
            ) from None
