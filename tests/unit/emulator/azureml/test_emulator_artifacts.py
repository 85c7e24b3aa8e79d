"""Artifacts: names, addresses, content."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from support.service_client import ServiceClient

from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.artifacts import Artifacts
from submitter.emulator.azureml.history import History
from submitter.emulator.blobs import BlobStore
from submitter.emulator.service import Problem
from submitter.emulator.shared_access import SharedAccess

CONTAINER = "ExperimentRun/dcid.run_1"


@pytest.fixture
def client(
    access: Access, blobs: BlobStore, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of the artifact service, in a workspace with one run."""
    history = History()
    history.create_run(history.create_experiment("exp"), "run_1", None)
    artifacts = Artifacts(access, history, blobs, SharedAccess("host"))
    base = f"/artifact/v2.0{access.workspace.resource_id}/artifacts"
    return client_of(artifacts.service(), base)


def test_an_announced_file_gets_an_address_to_write_to(client: ServiceClient) -> None:
    """The tracked folder of an interactive run is called `./outputs`, its files are not."""
    announced = {"paths": [{"path": "./outputs/a b.txt"}]}
    answer = client.ask("POST", f"/batch/metadata/{CONTAINER}", announced)
    address = answer["artifactContentInformation"]["./outputs/a b.txt"]["contentUri"]
    assert urlsplit(address).path == f"/azureml/{CONTAINER}/outputs/a%20b.txt"


def test_content_is_written_and_appended(client: ServiceClient, blobs: BlobStore) -> None:
    """Small files come in one request; appending begins a file that is not there."""
    for _ in range(2):
        client.ask("POST", f"/content/{CONTAINER}/logs/x.json", {}, append="true")
    assert blobs.read(f"azureml/{CONTAINER}/logs/x.json", 0, 10) == b"{}{}"
    listed = client.ask("GET", f"/{CONTAINER}")["value"]
    assert [entry["path"] for entry in listed] == ["logs/x.json"]


def test_files_are_located_one_by_one_and_by_prefix(
    client: ServiceClient, blobs: BlobStore
) -> None:
    """A prefix finds a folder's files, and nothing is found quietly."""
    for name in ("model/a", "model/b", "other"):
        blobs.write(f"azureml/{CONTAINER}/{name}", b"x")
    assert client.ask("GET", f"/contentinfo/{CONTAINER}/other")["path"] == "other"
    found = client.ask("GET", f"/prefix/contentinfo/{CONTAINER}/model")["value"]
    assert [entry["path"] for entry in found] == ["model/a", "model/b"]
    with pytest.raises(Problem, match=r"none was not found"):
        client.ask("GET", f"/contentinfo/{CONTAINER}/none")
