"""Key Vault over HTTP: challenge, permissions, errors, pages."""

import json
from dataclasses import replace

import pytest
from support.service_client import ServiceClient

from submitter.emulator.entra import Entra
from submitter.emulator.keyvault import AUDIENCE, KeyVault
from submitter.emulator.service import Problem
from submitter.emulator.vault import Vault

VERSION = {"api-version": "7.4"}


@pytest.fixture
def vault() -> Vault:
    """Make a vault with one secret in two versions."""
    made = Vault("kv")
    made.set("name", "old", version="1" * 32)
    made.set("name", "new", version="2" * 32)
    return made


@pytest.fixture
def client(vault: Vault, entra: Entra) -> ServiceClient:
    """Sign in as a principal that may get, list and set."""
    principal = next(iter(entra.principals.values()))
    token = entra.issue(
        principal.object_id, AUDIENCE, appid=principal.client_id, oid=principal.object_id
    )
    service = KeyVault({"kv": vault}, entra).service()
    return ServiceClient(service, token, host="kv.vault.azure.net")


def test_without_a_token_the_client_is_told_where_to_get_one(client: ServiceClient) -> None:
    """The challenge names tenant and resource."""
    with pytest.raises(Problem, match="AKV10000") as caught:
        replace(client, token=None).send("GET", "/secrets/name", query=VERSION)
    challenge = caught.value.headers["WWW-Authenticate"]
    assert "tenant" in challenge
    assert AUDIENCE in challenge


def test_the_latest_version_is_the_default(client: ServiceClient) -> None:
    """With or without a slash at the end, and an older one by its version."""
    for path, value in (("", "new"), ("/", "new"), (f"/{'1' * 32}", "old")):
        answer = client.send("GET", f"/secrets/name{path}", query=VERSION)
        assert json.loads(answer.body)["value"] == value


def test_a_missing_permission_is_named(client: ServiceClient) -> None:
    """Deleting is not among the caller's permissions."""
    with pytest.raises(Problem, match="delete") as caught:
        client.send("DELETE", "/secrets/name", query=VERSION)
    assert caught.value.status == 403


def test_a_list_has_no_values(client: ServiceClient) -> None:
    """Names and attributes only."""
    answer = client.send("GET", "/secrets", query=VERSION)
    assert [entry["id"].rpartition("/")[2] for entry in json.loads(answer.body)["value"]] == [
        "name"
    ]
    assert b"new" not in answer.body


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [("/secrets/none", VERSION, 404), ("/secrets/name", {"api-version": "x"}, 400)],
)
def test_a_wrong_request_is_refused(
    client: ServiceClient, path: str, query: dict[str, str], status: int
) -> None:
    """An unknown secret and an unknown version of the protocol are told apart."""
    with pytest.raises(Problem) as caught:
        client.send("GET", path, query=query)
    assert caught.value.status == status
