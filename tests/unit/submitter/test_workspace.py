"""Sign-in and the workspace's address: errors at once, prompts never."""

from pathlib import Path

import pytest

from submitter import SignInError, WorkspaceAddress, WorkspaceError, open_workspace


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


def test_in_ci_without_credentials_the_error_comes_before_any_prompt(
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
