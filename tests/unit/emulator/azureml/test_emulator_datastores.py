"""Datastores: the given ones, new ones, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from support.service_client import ServiceClient

from submitter.emulator.account_key import AccountKey
from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.datastores import Datastores
from submitter.emulator.blobs import BlobStore
from submitter.emulator.service import Problem

KEY = AccountKey("account")


@pytest.fixture
def client(
    access: Access, blobs: BlobStore, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of the datastore service."""
    base = f"/datastore/v1.0{access.workspace.resource_id}"
    return client_of(Datastores(access, blobs, KEY).service(), base)


def datastore(kind: str = "AzureBlob", **section: Any) -> dict[str, Any]:
    """Describe a datastore, as a client sends it."""
    right = {
        "accountName": "account",
        "containerName": "raw",
        "credentialType": "AccountKey",
        "credential": KEY.value,
    }
    return {"name": "Mine", "dataStoreType": kind, "azureStorageSection": {**right, **section}}


def test_a_list_shows_no_key_and_a_datastore_does(client: ServiceClient) -> None:
    """As in Azure: who may read a datastore may use its storage."""
    listed = client.ask("GET", "/datastores")["value"]
    assert [entry["name"] for entry in listed] == ["workspaceblobstore", "workspaceartifactstore"]
    assert KEY.value not in str(listed)
    assert client.ask("GET", "/default")["azureStorageSection"]["accountKey"] == KEY.value


def test_a_datastore_is_made_chosen_and_removed(client: ServiceClient) -> None:
    """Its name is kept in lower case; without it the given one is the default again."""
    client.ask("POST", "/datastores", datastore(), createIfNotExists="true")
    client.ask("PUT", "/default/mine")
    assert client.ask("GET", "/default")["azureStorageSection"]["containerName"] == "raw"
    with pytest.raises(Problem, match="Another datastore with the same name already exists"):
        client.ask("POST", "/datastores", datastore())
    client.ask("DELETE", "/datastores/MINE")
    assert client.ask("GET", "/default")["name"] == "workspaceblobstore"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (datastore(), "Container 'raw'"),
        (datastore(credential="wrong"), "not the right one"),
        (datastore(accountName="elsewhere"), "storage account 'elsewhere'"),
        (datastore(credentialType="Sas"), "without the account's key"),
        (datastore(kind="AzureFile"), "AzureFile"),
    ],
)
def test_a_datastore_that_leads_nowhere_is_refused(
    client: ServiceClient, sent: dict[str, Any], message: str
) -> None:
    """Nothing is registered that could not be used, and no key is in the error."""
    with pytest.raises(Problem, match=message) as caught:
        client.ask("POST", "/datastores", sent)
    assert KEY.value not in str(caught.value)


def test_a_given_datastore_stays(client: ServiceClient) -> None:
    """It belongs to the workspace."""
    with pytest.raises(Problem, match="belongs to the workspace"):
        client.ask("DELETE", "/datastores/workspaceblobstore")
    with pytest.raises(Problem, match="The workspace has: workspaceartifactstore"):
        client.ask("DELETE", "/datastores/none")
