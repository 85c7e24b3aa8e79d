"""Datastores: names for containers of the workspace's storage account, with the account's key.

The service hands the key out to whoever may read the datastore, and azureml-core then talks to blob
storage itself.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.account_key import AccountKey
from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.azureml.artifacts import ARTIFACT_CONTAINER
from submitter.emulator.blobs import BlobStore
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.workspace import WORKSPACE_PATH

DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"


@dataclass(frozen=True)
class Datastore:
    """A named container of the storage account.

    Attributes:
        name: The datastore's name, in lower case.
        container: The container.
        given_by_service: Whether every workspace has it; such a one cannot be removed.
    """

    name: str
    container: str
    given_by_service: bool = False


class Datastores:
    """The workspace's datastores.

    Args:
        access: The workspace's front.
        blobs: Has the containers.
        key: The storage account's key.
    """

    def __init__(self, access: Access, blobs: BlobStore, key: AccountKey) -> None:
        self._access = access
        self._blobs = blobs
        self._key = key
        # As Azure names it.
        container = f"azureml-blobstore-{access.workspace.workspace_id}"
        given = (
            Datastore(DEFAULT, container, given_by_service=True),
            Datastore(ARTIFACTS, ARTIFACT_CONTAINER, given_by_service=True),
        )
        self._datastores = {datastore.name: datastore for datastore in given}
        for datastore in given:
            blobs.create_container(datastore.container)
        self._default = DEFAULT
        self._lock = threading.Lock()

    def service(self) -> Service:
        """Return the routes of the datastore service."""
        base = f"/datastore/v1.0{WORKSPACE_PATH}"
        return self._access.service(
            "datastores",
            Route("GET", f"{base}/datastores", self._list),
            Route("POST", f"{base}/datastores", self._create),
            Route("GET", f"{base}/datastores/{{name}}", self._get),
            Route("PUT", f"{base}/datastores/{{name}}", self._update),
            Route("DELETE", f"{base}/datastores/{{name}}", self._delete),
            Route("GET", f"{base}/default", self._get_default),
            Route("PUT", f"{base}/default/{{name}}", self._set_default),
        )

    def _list(self, _call: Call) -> Response:
        """List the datastores; as in Azure, a list shows no credentials."""
        with self._lock:
            datastores = list(self._datastores.values())
        return listed([self._describe(datastore, credential=None) for datastore in datastores])

    def _get(self, call: Call) -> Response:
        datastore = self._find(call.parameters["name"])
        return JSONResponse(self._describe(datastore, self._key.value))

    def _get_default(self, _call: Call) -> Response:
        return JSONResponse(self._describe(self._find(self._default), self._key.value))

    def _set_default(self, call: Call) -> Response:
        self._default = self._find(call.parameters["name"]).name
        return JSONResponse({})

    def _create(self, call: Call) -> Response:
        datastore = self._checked(call)
        with self._lock:
            if datastore.name in self._datastores:
                # azureml-core looks for these words when it may overwrite.
                message = "Another datastore with the same name already exists in the workspace."
                raise user_error(message, 400)
            self._datastores[datastore.name] = datastore
        return JSONResponse({})

    def _update(self, call: Call) -> Response:
        self._refuse_given(self._find(call.parameters["name"]))
        datastore = self._checked(call)
        with self._lock:
            self._datastores[datastore.name] = datastore
        return JSONResponse({})

    def _delete(self, call: Call) -> Response:
        datastore = self._find(call.parameters["name"])
        self._refuse_given(datastore)
        with self._lock:
            self._datastores.pop(datastore.name, None)
        if self._default == datastore.name:
            self._default = DEFAULT
        return JSONResponse({})

    def _find(self, name: str) -> Datastore:
        with self._lock:
            found = self._datastores.get(name.lower())
        if found is None:
            known = ", ".join(sorted(self._datastores))
            raise user_error(f"Could not find datastore '{name}'. The workspace has: {known}.")
        return found

    def _checked(self, call: Call) -> Datastore:
        """Read a datastore that a client sends, and see whether it can be reached."""
        sent = call.json or {}
        kind = sent.get("dataStoreType")
        if kind != "AzureBlob":
            raise _not_played(f"datastores of type {kind}, only AzureBlob")
        section = sent.get("azureStorageSection") or {}
        account, container = section.get("accountName"), str(section.get("containerName"))
        if account != self._key.account:
            raise _not_played(f"storage account '{account}', only '{self._key.account}'")
        if section.get("credentialType") != "AccountKey":
            raise _not_played("datastores without the account's key")
        if section.get("credential") != self._key.value:
            raise user_error(f"The account key of '{account}' is not the right one.", 400)
        if call.query.get("createIfNotExists", "").lower() == "true":
            self._blobs.create_container(container)
        if not self._blobs.has_container(container):
            raise user_error(f"Container '{container}' of '{account}' does not exist.", 400)
        return Datastore(str(sent.get("name")).lower(), container)

    def _refuse_given(self, datastore: Datastore) -> None:
        if datastore.given_by_service:
            raise user_error(f"Datastore '{datastore.name}' belongs to the workspace.", 400)

    def _describe(self, datastore: Datastore, credential: str | None) -> Mapping[str, Any]:
        return {
            "name": datastore.name,
            "dataStoreType": "AzureBlob",
            "hasBeenValidated": True,
            "tags": {},
            "azureStorageSection": {
                "accountName": self._key.account,
                "containerName": datastore.container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentialType": "AccountKey" if credential else "None",
                "credential": credential,
                "accountKey": credential,
                "sasToken": None,
                "isSas": False,
                "blobCacheTimeout": -1,
                "subscriptionId": self._access.workspace.subscription_id,
                "resourceGroup": self._access.workspace.resource_group,
            },
        }


def _not_played(what: str) -> Problem:
    return Problem(400, "NotPlayedByEmulator", f"The emulator does not play {what}; Azure does.")
