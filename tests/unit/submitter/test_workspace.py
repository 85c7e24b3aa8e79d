"""Sign-in and the workspace's address: errors at once, prompts never."""

import copy
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from submitter import SignInError, WorkspaceAddress, WorkspaceError, open_workspace
from submitter.account import _Tokens, forget_tokens


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """Make a folder with a workspace's config.json above it."""
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml/config.json").write_text(
        '{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}'
    )
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_without_a_config_the_error_says_where_it_looked(tmp_path: Path) -> None:
    """Before anybody is asked to sign in."""
    with pytest.raises(WorkspaceError, match=r"no \.azureml/config\.json in ") as caught:
        open_workspace(WorkspaceAddress(config=tmp_path), environ={})
    assert str(tmp_path) in str(caught.value)
    assert "--emulator" in str(caught.value)


def test_pain_11_in_ci_without_credentials_the_error_comes_before_any_prompt(
    configured: Path, tmp_path: Path
) -> None:
    """Each place that was looked in is named."""
    environ = {"AZURE_CONFIG_DIR": str(tmp_path / "no-cli"), "AZURE_CLIENT_ID": "x"}
    with pytest.raises(SignInError) as caught:
        open_workspace(WorkspaceAddress(config=configured), environ=environ, person_is_there=False)
    message = str(caught.value)
    assert "not set: AZURE_TENANT_ID, AZURE_CLIENT_SECRET" in message
    assert "no-cli" in message
    assert "az login" in message


def test_part_of_an_address_is_refused() -> None:
    """A workspace is named by three things."""
    with pytest.raises(WorkspaceError, match="give all three"):
        WorkspaceAddress(name="ws")


@dataclass
class Credential:
    """A credential of azure-identity's shape that counts how often it is asked."""

    lifetime: float = 3600.0
    asked: list[str] = field(default_factory=list)

    def get_token(self, scope: str) -> Any:
        self.asked.append(scope)
        number = len(self.asked)
        return SimpleNamespace(token=f"token {number}", expires_on=time.time() + self.lifetime)


def test_a_token_is_asked_for_once_and_again_before_it_expires() -> None:
    """The Azure CLI's credential starts a program each time; a followed run asks each second."""
    credential = Credential()
    tokens = _Tokens(credential)
    assert [tokens("https://a/"), tokens("https://a/"), tokens("https://b")] == [
        *("token 1", "token 1", "token 2")
    ]
    assert credential.asked == ["https://a//.default", "https://b/.default"]
    ending = Credential(lifetime=299)
    tokens = _Tokens(ending)
    assert [tokens("https://a/"), tokens("https://a/")] == ["token 1", "token 2"]


def test_a_refused_token_is_forgotten_even_in_the_copies_that_the_sdk_makes() -> None:
    """azureml-core copies its authentications, and forgetting one must reach all."""
    tokens = _Tokens(Credential())
    copied = copy.deepcopy(tokens)
    assert tokens("https://a/") == copied("https://a/") == "token 1"
    authentication = SimpleNamespace(_get_token_for_audience=copied)
    context = SimpleNamespace(get_auth=lambda: authentication)
    forget_tokens(SimpleNamespace(service_context=context))
    assert tokens("https://a/") == "token 2"
