"""An environment of Azure Machine Learning: from its definition to azureml-core, and back."""

from typing import Any

import yaml

from submitter.backends.base import RegisteredEnvironment
from submitter.environment import EnvironmentDefinition


def to_native(definition: EnvironmentDefinition) -> Any:
    """Return the azureml-core `Environment` that a definition describes."""
    from azureml.core import Environment

    conda = str(definition.conda_file) if definition.conda_file else None
    if definition.image:
        native = Environment.from_docker_image(
            definition.name, definition.image, conda_specification=conda
        )
    else:
        native = Environment.from_dockerfile(
            definition.name, definition.dockerfile, conda_specification=conda
        )
    native.environment_variables.clear()  # the SDK begins with an example
    native.environment_variables.update(definition.variables)
    return native


def read_back(native: Any) -> RegisteredEnvironment:
    """Return what an azureml-core `Environment` is made of."""
    python = native.python
    conda = None
    if not python.user_managed_dependencies and python.conda_dependencies:
        conda = yaml.safe_load(python.conda_dependencies.serialize_to_string())
    return RegisteredEnvironment(
        name=native.name,
        version=str(native.version),
        definition=EnvironmentDefinition(
            name=native.name,
            dockerfile=native.docker.base_dockerfile,
            image=native.docker.base_image,
            conda=conda,
            variables=native.environment_variables or {},
        ),
        native=native,
    )
