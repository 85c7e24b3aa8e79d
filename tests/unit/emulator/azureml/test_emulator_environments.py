"""Registered environments: versions by content."""

import pytest

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.environments import Environments
from submitter.emulator.entra import Entra
from submitter.emulator.workspace import Workspace


@pytest.fixture
def environments() -> Environments:
    """Make an empty set of environments."""
    workspace = Workspace("sub", "rg", "ws", "eastus", "id", "tenant", "kv")
    return Environments(Access(workspace, Entra("tenant", [])))


def test_the_same_content_keeps_its_version(environments: Environments) -> None:
    """Even an older version's content is recognised."""
    versions = [
        environments.register("e", {"python": python}).version for python in ("1", "1", "2", "1")
    ]
    assert versions == ["1", "1", "2", "1"]


def test_a_version_may_be_asked_for(environments: Environments) -> None:
    """A free version is given, a taken one with other content is not overwritten."""
    assert environments.register("e", {"python": "1"}, "v7").version == "v7"
    assert environments.register("e", {"python": "2"}, "v7").version == "2"
    found = environments.get("e", "v7")
    assert found is not None
    assert found.definition == {"name": "e", "version": "v7", "python": "1"}


def test_what_is_not_registered_is_none(environments: Environments) -> None:
    """Names and versions are looked up exactly."""
    environments.register("e", {})
    assert environments.get("e", "2") is None
    assert environments.get("E") is None


def test_a_version_keeps_variables_out_of_its_repr(environments: Environments) -> None:
    """People put secrets into environment variables."""
    added = environments.register("e", {"environmentVariables": {"PASSWORD": "canary-value"}})
    assert "canary-value" not in repr(added)
