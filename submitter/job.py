"""The job file: Azure ML's own command-job YAML, parsed and checked.

The format is that of `az ml job create` for a command job
(https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command). Every documented
key is known here; what a backend cannot carry is refused by that backend, by name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from remote_entry.marked_yaml import KeyPath, MarkedYaml, YamlError, complaints, load_file, nearest
from submitter.errors import JobError

_EXPRESSION = re.compile(r"\$\{\{(?P<inside>.*?)\}\}")
_REFERENCE = re.compile(r"azureml:(?P<name>[\w.-]+)(@(?P<label>\w+)|:(?P<version>[\w.-]+))")
# Of a job, which is its run's id as well
# (https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command, "name").
LEGAL_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}"
_EXPERIMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")

_NO_FILE = "Check the path, or write an example project with: submitter init DIR"

Text = Annotated[str, StringConstraints(strict=True)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DataInput(_Section):
    """An input that is data in the workspace rather than a literal."""

    type: Literal[
        "uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"
    ] = "uri_folder"
    path: Text
    mode: Text | None = None


class Build(_Section):
    """A Dockerfile and the folder it stands in."""

    path: Text
    dockerfile_path: Text = "Dockerfile"


class InlineEnvironment(_Section):
    """An environment that the job file describes itself."""

    name: Text | None = None
    image: Text | None = None
    build: Build | None = None
    conda_file: Text | None = None
    description: Text | None = None
    os_type: Literal["linux"] | None = None

    @model_validator(mode="after")
    def _has_one_base(self) -> "InlineEnvironment":
        if (self.image is None) == (self.build is None):
            raise ValueError("give either 'image' or 'build', not both and not neither.")
        return self


class Resources(_Section):
    """How many machines the run gets, and of what kind."""

    instance_count: Annotated[int, Field(ge=1)] = 1
    instance_type: Text | None = None
    shm_size: Annotated[Text, StringConstraints(pattern=r"^\d+[bkmg]$")] | None = None
    docker_args: Text | None = None
    properties: dict[str, Any] | None = None
    locations: list[Text] | None = None
    max_instance_count: Annotated[int, Field(ge=1)] | None = None


class Limits(_Section):
    """When the run is stopped."""

    timeout: Annotated[int, Field(gt=0, description="seconds")] | None = None


class MpiDistribution(_Section):
    """One MPI job over the instances."""

    type: Literal["mpi"]
    process_count_per_instance: Annotated[int, Field(ge=1)] = 1


class PyTorchDistribution(_Section):
    """One PyTorch process group over the instances."""

    type: Literal["pytorch"]
    process_count_per_instance: Annotated[int, Field(ge=1)] = 1


class TensorFlowDistribution(_Section):
    """Workers and parameter servers."""

    type: Literal["tensorflow"]
    parameter_server_count: Annotated[int, Field(ge=0)] = 0
    worker_count: Annotated[int, Field(ge=1)] | None = None


class Identity(_Section):
    """Whom the run acts as."""

    type: Literal["aml_token", "user_identity", "managed"]
    client_id: Text | None = None
    object_id: Text | None = None
    msi_resource_id: Text | None = None


def _kind_of(value: Any) -> str:
    return "section" if isinstance(value, dict | BaseModel) else "scalar"


_Scalar = Annotated[
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True)]
    | Text,
    Tag("scalar"),
]
Input = Annotated[_Scalar | Annotated[DataInput, Tag("section")], Discriminator(_kind_of)]
EnvironmentChoice = Annotated[
    Annotated[Text, Tag("scalar")] | Annotated[InlineEnvironment, Tag("section")],
    Discriminator(_kind_of),
]
Distribution = Annotated[
    MpiDistribution | PyTorchDistribution | TensorFlowDistribution, Field(discriminator="type")
]


class EnvironmentReference(BaseModel):
    """A registered environment by name, with its version; `None` means the latest."""

    model_config = ConfigDict(frozen=True)
    name: str
    version: str | None

    def __str__(self) -> str:
        return f"azureml:{self.name}:{self.version}" if self.version else f"azureml:{self.name}"


class Job(_Section):
    """A command job: what to run, where, with which environment and inputs.

    Fields carry the names and meanings of Azure ML's command-job schema. Relative paths are
    relative to the job file's folder, or to the working folder for a `Job` made in Python.
    """

    schema_url: Text | None = Field(default=None, alias="$schema")
    type: Literal["command"] = "command"
    command: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1)]
    compute: Annotated[Text, StringConstraints(min_length=1)]
    environment: EnvironmentChoice
    code: Text | None = None
    name: Annotated[Text, StringConstraints(pattern=rf"^{LEGAL_NAME}$")] | None = None
    experiment_name: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: dict[str, Text] = Field(default_factory=dict)
    properties: dict[str, Text] = Field(default_factory=dict)
    inputs: dict[str, Input] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    environment_variables: dict[str, Text] = Field(default_factory=dict)
    resources: Resources = Resources()
    distribution: Distribution | None = None
    limits: Limits = Limits()
    identity: Identity | None = None
    queue_settings: dict[str, Any] | None = None
    services: dict[str, Any] | None = None

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _document: MarkedYaml | None = PrivateAttr(default=None)

    @classmethod
    def from_file(cls, path: str | Path) -> "Job":
        """Read a job file.

        Args:
            path: The YAML file.

        Returns:
            The job; its relative paths are relative to the file's folder.

        Raises:
            JobError: With a line for each problem: file, line, nearest right name, allowed values.
        """
        path = Path(path)
        try:
            document = load_file(path, hint=_NO_FILE)
        except YamlError as error:
            raise JobError(str(error)) from None
        if not isinstance(document.data, dict):
            raise JobError(f"{path}:1: a job file is a mapping with at least 'command'.")
        try:
            job = cls.model_validate(document.data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise JobError("\n".join(complaints(document, cls, error))) from None
        job._folder = path.absolute().parent  # noqa: SLF001 - its own private attribute
        job._document = document  # noqa: SLF001 - its own private attribute
        return job

    @property
    def file(self) -> Path | None:
        """The file that the job was read from; `None` for a job made in Python."""
        return self._folder / Path(self._document.file).name if self._document else None

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    def where(self, *keys: str | int) -> str:
        """Return `file:line` of a key, for messages; just the key for a job made in Python."""
        if self._document is None:
            return ".".join(map(str, keys))
        return self._document.where(tuple(keys))

    def problem(self, keys: KeyPath, text: str) -> JobError:
        """Return an error about one key of this job, to be raised by the caller."""
        return JobError(f"{self.where(*keys)}: {text}")

    @property
    def experiment(self) -> str:
        """The experiment's name: as given, else the name of the job's folder."""
        if self.experiment_name:
            return self.experiment_name
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.folder.name).strip("-_") or "Default"

    @property
    def environment_reference(self) -> EnvironmentReference | None:
        """The registered environment that the job names; `None` for an inline one."""
        if not isinstance(self.environment, str):
            return None
        found = _REFERENCE.fullmatch(self.environment)
        assert found is not None  # noqa: S101 - the validator let no other text through
        return EnvironmentReference(name=found["name"], version=found["version"])

    @property
    def used_inputs(self) -> set[str]:
        """The names of the inputs that the command mentions."""
        mentioned = (match["inside"].strip() for match in _EXPRESSION.finditer(self.command))
        return {name.removeprefix("inputs.") for name in mentioned}

    def with_inputs(self, values: Mapping[str, bool | float | str]) -> "Job":
        """Return the same job with other values of its literal inputs.

        Args:
            values: Input → value; the job has each of them already.

        Raises:
            JobError: The job has no such input, or it is data in the workspace.
        """
        for name in values:
            if name not in self.inputs:
                raise self.problem(
                    ("inputs",),
                    f"there is no input '{name}'.{nearest(name, self.inputs)} "
                    f"Inputs of this job: {', '.join(self.inputs) or 'none'}.",
                )
            if isinstance(self.inputs[name], DataInput):
                raise self.problem(("inputs", name), f"the input '{name}' is no literal.")
        return self.model_copy(update={"inputs": {**self.inputs, **values}})

    def with_tags(self, tags: Mapping[str, str]) -> "Job":
        """Return the same job with more tags."""
        return self.model_copy(update={"tags": {**self.tags, **tags}})

    def rendered_command(self) -> str:
        """Return the command with `${{inputs.NAME}}` replaced by the literal inputs.

        Replacement is textual, as Azure ML's own is: quoting is the command's business.

        Raises:
            JobError: An expression names no literal input of this job.
        """
        return _EXPRESSION.sub(lambda match: self._render(match["inside"].strip()), self.command)

    def _render(self, expression: str) -> str:
        kind, _, name = expression.partition(".")
        if kind != "inputs":
            raise self.problem(
                ("command",), f"${{{{{expression}}}}} is not known; only ${{{{inputs.NAME}}}} is."
            )
        if name not in self.inputs:
            raise self.problem(
                ("command",),
                f"${{{{inputs.{name}}}}} names no input.{nearest(name, self.inputs)} "
                f"Inputs of this job: {', '.join(self.inputs) or 'none'}.",
            )
        value = self.inputs[name]
        if isinstance(value, DataInput):
            raise self.problem(("inputs", name), f"the input '{name}' is no literal.")
        return str(value)

    @field_validator("environment")
    @classmethod
    def _reference_is_whole(cls, value: str | InlineEnvironment) -> str | InlineEnvironment:
        if isinstance(value, InlineEnvironment):
            return value
        found = _REFERENCE.fullmatch(value)
        if not found:
            raise ValueError("write azureml:NAME@latest or azureml:NAME:VERSION.")
        if found["label"] not in {None, "latest"}:
            raise ValueError(f"the only label is 'latest', not '{found['label']}'.")
        return value

    @field_validator("compute")
    @classmethod
    def _compute_is_a_name(cls, value: str) -> str:
        return value.removeprefix("azureml:")

    @field_validator("experiment_name")
    @classmethod
    def _experiment_name_is_legal(cls, value: str | None) -> str | None:
        if value is not None and not _EXPERIMENT_NAME.fullmatch(value):
            raise ValueError(
                "an experiment's name has letters, digits, '-' and '_', starts with a letter or "
                "digit and has at most 255 characters."
            )
        return value
