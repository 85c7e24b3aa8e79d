"""Resource Manager: who may ask, and what it knows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.service_client import ServiceClient

from submitter.emulator.arm import AUDIENCES, PERMISSIONS, ResourceManager
from submitter.emulator.entra import Entra, Principal
from submitter.emulator.roles import REGISTER_ENVIRONMENT, ROLES, SUBMIT
from submitter.emulator.service import Problem
from submitter.emulator.workspace import Workspace


@pytest.fixture
def manager(
    workspace: Workspace, entra: Entra, client_of: Callable[..., ServiceClient]
) -> ServiceClient:
    """Make a client of Resource Manager."""
    return client_of(ResourceManager(workspace, entra).service())


def test_the_workspace_is_found_without_regard_to_case(
    manager: ServiceClient, workspace: Workspace
) -> None:
    """Azure compares the parts of a resource id so."""
    found = manager.ask("GET", workspace.resource_id.replace("/rg/", "/RG/"))
    assert found["properties"]["workspaceId"] == "workspace-id"
    assert found["properties"]["keyVault"].endswith("/vaults/kv")


def test_another_workspace_is_not_found(manager: ServiceClient, workspace: Workspace) -> None:
    """The error names what was asked for."""
    with pytest.raises(Problem, match="workspaces/other"):
        manager.ask("GET", replace(workspace, name="other").resource_id)


def test_another_subscription_has_no_workspaces(manager: ServiceClient) -> None:
    """A list is empty, not missing."""
    assert len(manager.ask("GET", "/subscriptions/SUB/resources")["value"]) == 1
    assert manager.ask("GET", "/subscriptions/other/resources")["value"] == []


@pytest.mark.parametrize(("audience", "code"), [(None, "Failed"), ("https://vault", "Invalid")])
def test_a_caller_needs_a_token_for_it(
    manager: ServiceClient, entra: Entra, audience: str | None, code: str
) -> None:
    """No token and a token for another service are told apart."""
    token = entra.issue("me", audience) if audience else None
    with pytest.raises(Problem) as caught:
        replace(manager, token=token).ask("GET", "/subscriptions")
    assert caught.value.status == 401
    assert code in caught.value.code


def test_the_list_of_clouds_is_public(manager: ServiceClient) -> None:
    """A client asks for it before it has a token."""
    assert replace(manager, token=None).ask("GET", "/metadata/endpoints") == []


def test_what_a_role_does_not_allow_is_refused(
    workspace: Workspace,
) -> None:
    """A reader sees the workspace and what it may do; whoever has no role sees nothing."""
    reader = Entra("tenant", [Principal("r", "r", role="Reader")])
    [granted] = _ask(workspace, reader, f"{workspace.resource_id}/{PERMISSIONS}")["value"]
    assert granted["actions"] == ["*/read"]
    nobody = Entra("tenant", [Principal("r", "r", role="none")])
    with pytest.raises(Problem, match="authorization to perform action .*workspaces/read'") as no:
        _ask(workspace, nobody, workspace.resource_id)
    assert (no.value.status, no.value.code) == (403, "AuthorizationFailed")


def _ask(workspace: Workspace, entra: Entra, path: str) -> Any:
    service = ResourceManager(workspace, entra).service()
    token = entra.issue("r", AUDIENCES[0], appid="r", oid="o")
    return ServiceClient(service, token).ask("GET", path)


@pytest.mark.parametrize(
    ("role", "permitted"),
    [
        ("Owner", [True, True, True]),
        ("AzureML Data Scientist", [True, True, False]),
        ("Reader", [False, False, False]),
    ],
)
def test_roles_are_azures(role: str, permitted: list[bool]) -> None:
    """A data scientist submits and registers, and makes no compute."""
    make_compute = "Microsoft.MachineLearningServices/workspaces/computes/write"
    actions = (SUBMIT, REGISTER_ENVIRONMENT, make_compute)
    assert [ROLES[role].permits(action) for action in actions] == permitted
