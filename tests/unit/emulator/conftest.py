"""A workspace, a directory that signs tokens, and clients of the services."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.service_client import ServiceClient

from submitter.emulator.arm import AUDIENCES
from submitter.emulator.azureml.access import Access
from submitter.emulator.blobs import BlobStore
from submitter.emulator.entra import Entra, Principal
from submitter.emulator.service import Service
from submitter.emulator.workspace import Workspace

PERMITTED = Principal("permitted", "a", vault_permissions=frozenset({"get", "list", "set"}))
LANDING = Principal("landing", "b", storage_role="Storage Blob Data Contributor")
READING = Principal("reading", "c", storage_role="Storage Blob Data Reader")


@pytest.fixture(scope="session")
def entra() -> Entra:
    """Make a directory with some service principals."""
    return Entra("tenant", [PERMITTED, LANDING, READING])


@pytest.fixture
def workspace() -> Workspace:
    """Make a workspace."""
    return Workspace("sub", "rg", "ws", "eastus", "workspace-id", "tenant", "kv")


@pytest.fixture
def access(workspace: Workspace, entra: Entra) -> Access:
    """Make the workspace's front."""
    return Access(workspace, entra)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """Make an empty store."""
    return BlobStore(tmp_path / "storage")


@pytest.fixture
def client_of(entra: Entra) -> Callable[[Service, str], ServiceClient]:
    """Make clients that are signed in to Azure."""

    def make(service: Service, base: str = "") -> ServiceClient:
        return ServiceClient(service, entra.issue("me", AUDIENCES[0], oid="me"), base)

    return make
