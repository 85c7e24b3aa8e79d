"""Identity, workspace and vault are tied together in the right order."""

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from remote_entry.deadline import Deadline
from remote_entry.errors import SettingsError
from remote_entry.resolve import Resolved, resolve
from remote_entry.settings import IdentitySettings

ENVIRON = {
    "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
    "AZURE_CLIENT_SECRET_FROM_WORKSPACE": "training-client-secret",
    "API_KEY_FROM_WORKSPACE": "api-key",
    "KEY_VAULT_URL": "https://flights.vault.azure.net/",
    "AZURE_SECRET_1": "sql-user",
    "AZURE_SECRET_2": "sql-password",
}

WORKSPACE = {"training-client-secret": "canary-client", "api-key": "canary-api"}
VAULT = {"sql-user": "canary-user", "sql-password": "canary-password"}


class FakeClient:
    """Plays azure-keyvault-secrets' client."""

    def get_secret(self, name: str, version: str | None = None) -> Any:
        """Return a secret of the fake vault."""
        properties = SimpleNamespace(version=version, expires_on=None)
        return SimpleNamespace(value=VAULT[name], properties=properties)


def unexpected(warning: str) -> None:
    """Refuse a warning."""
    raise AssertionError(warning)


def values_by_label(resolved: Resolved) -> dict[str, str]:
    """Return what a command could ask for."""
    return {label: secret.value for label, secret in resolved.bundle.by_label().items()}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[IdentitySettings]:
    """Play the workspace and the vault; return the settings that credentials were opened with."""
    seen: list[IdentitySettings] = []

    def read_from_workspace(names: Mapping[str, str], _: Deadline) -> dict[str, str]:
        return {variable: WORKSPACE[name] for variable, name in names.items()}

    def open_credential(settings: IdentitySettings, _: Deadline) -> object:
        seen.append(settings)
        return object()

    def sign_in(*_: object) -> None:
        """Have a token at once."""

    def open_vault(*_: object) -> FakeClient:
        return FakeClient()

    monkeypatch.setattr("remote_entry.azure.workspace.read_from_workspace", read_from_workspace)
    monkeypatch.setattr("remote_entry.azure.identity.open_credential", open_credential)
    monkeypatch.setattr("remote_entry.azure.identity.sign_in", sign_in)
    monkeypatch.setattr("remote_entry.azure.vault.open_vault", open_vault)
    return seen


def test_client_secret_from_the_workspace_opens_the_vault(opened: list[IdentitySettings]) -> None:
    """No credential needs to stand in the registered environment."""
    resolved = resolve(ENVIRON, warn=unexpected)
    assert [settings.client_secret.text for settings in opened] == ["canary-client"]
    values = {"1": "canary-user", "2": "canary-password", "API_KEY": "canary-api"}
    assert values_by_label(resolved) == values


def test_credentials_are_not_handed_over(opened: list[IdentitySettings]) -> None:
    """The command gets the API key, which is its own, and not the key to the vault."""
    resolved = resolve(ENVIRON, warn=unexpected)
    assert values_by_label(resolved)["API_KEY"] == "canary-api"
    assert "AZURE_CLIENT_SECRET" not in values_by_label(resolved)


def test_everything_that_was_read_is_masked(opened: list[IdentitySettings]) -> None:
    """The client secret too, although the command does not get it."""
    resolved = resolve(ENVIRON, warn=unexpected)
    expected = {"canary-client", "canary-api", "canary-user", "canary-password"}
    assert resolved.sensitive_values() == expected
    assert "canary" not in repr(resolved)


def test_workspace_alone_needs_no_vault(opened: list[IdentitySettings]) -> None:
    """Variables from the workspace work without a service principal."""
    environ = {"API_KEY_FROM_WORKSPACE": "api-key"}
    resolved = resolve(environ, warn=unexpected)
    assert values_by_label(resolved) == {"API_KEY": "canary-api"}
    assert opened == []


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without the Azure packages is told what to add."""
    monkeypatch.setitem(sys.modules, "remote_entry.azure.identity", None)
    with pytest.raises(SettingsError, match="azure.identity is not installed") as caught:
        resolve(ENVIRON, warn=unexpected)
    assert "azure-identity" in caught.value.hint


def test_value_from_the_workspace_is_checked_like_any_other(
    opened: list[IdentitySettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault's address may come from the workspace; a wrong one is a settings error."""
    monkeypatch.setitem(WORKSPACE, "address", "http://flights")
    environ = ENVIRON | {"KEY_VAULT_URL_FROM_WORKSPACE": "address"}
    del environ["KEY_VAULT_URL"]
    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not of the form"):
        resolve(environ, warn=unexpected)


def test_login_from_the_workspace_is_handed_over(
    opened: list[IdentitySettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL_PASSWORD_FROM_WORKSPACE is no key of this package's own: connect() needs it."""
    monkeypatch.setitem(WORKSPACE, "login", "trainer")
    monkeypatch.setitem(WORKSPACE, "login-password", "canary-login")
    environ = {
        "SQL_USERNAME_FROM_WORKSPACE": "login",
        "SQL_PASSWORD_FROM_WORKSPACE": "login-password",
    }
    resolved = resolve(environ, warn=unexpected)
    assert values_by_label(resolved) == {"SQL_USERNAME": "trainer", "SQL_PASSWORD": "canary-login"}
    assert resolved.bundle.variables() == {}
    assert resolved.settings.sql.password_label == "SQL_PASSWORD"
    assert "canary-login" in resolved.sensitive_values()


def test_name_from_the_workspace_is_masked_and_used_up(
    opened: list[IdentitySettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command gets the secret of that name; the name came from a vault, so it is masked."""
    monkeypatch.setitem(WORKSPACE, "name-of-user", "sql-user")
    environ = ENVIRON | {"AZURE_SECRET_1_FROM_WORKSPACE": "name-of-user"}
    del environ["AZURE_SECRET_1"]
    resolved = resolve(environ, warn=unexpected)
    assert values_by_label(resolved)["1"] == "canary-user"
    assert "sql-user" in resolved.sensitive_values()
    assert "AZURE_SECRET_1" not in resolved.bundle.by_label()


def test_every_warning_is_given_once(
    opened: list[IdentitySettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that only the workspace's values bring are given too."""
    monkeypatch.setitem(WORKSPACE, "address", "https://flights.vault.azure.net/ ")
    environ = ENVIRON | {"KEY_VAULT_URL_FROM_WORKSPACE": "address", "SQL_SERVER": "flights "}
    warnings: list[str] = []
    resolve(environ, warn=warnings.append)
    assert warnings == [
        "SQL_SERVER has white space around its value; it was removed",
        "KEY_VAULT_URL and KEY_VAULT_URL_FROM_WORKSPACE are both set; the workspace's value wins",
        "KEY_VAULT_URL has white space around its value; it was removed",
    ]


def test_tokens_for_storage_are_there_only_if_they_are_asked_for(
    opened: list[IdentitySettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without secrets, the sign-in is tried with one of them."""
    assert resolve(ENVIRON, warn=unexpected).storage_token is None
    scopes: list[str] = []
    monkeypatch.setattr(
        "remote_entry.azure.identity.sign_in", lambda _, __, scope, ___: scopes.append(scope)
    )
    assert resolve(ENVIRON | {"STORAGE_AUTH": "service-principal"}, warn=unexpected).storage_token
    alone = {"STORAGE_AUTH": "managed-identity", "REMOTE_ENTRY_IDENTITY": "managed-identity"}
    assert resolve(alone, warn=unexpected).storage_token
    assert scopes == ["https://vault.azure.net/.default", "https://storage.azure.com/.default"]
