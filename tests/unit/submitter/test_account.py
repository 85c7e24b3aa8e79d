"""Who is signed in here."""

import json
from pathlib import Path

import pytest

from submitter import SignInError
from submitter.account import find_account

PRINCIPAL = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "canary"}


def test_a_service_principal_comes_first_and_shows_no_secret(tmp_path: Path) -> None:
    """It is named by its ids."""
    account = find_account({**PRINCIPAL, "AZURE_CONFIG_DIR": str(tmp_path)}, person_is_there=True)
    assert account.description.startswith("service principal c of tenant t")
    assert "canary" not in repr(account)


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ({"subscriptions": [{"user": {"name": "ada@example.org"}}]}, "ada@example.org"),
        (
            {
                "subscriptions": [
                    {"user": {"name": "other"}},
                    {"user": {"name": "ada"}, "isDefault": True},
                ]
            },
            "ada",
        ),
        ({"subscriptions": [{"nobody": 1}]}, "an account"),
        ([], "an account"),
    ],
)
def test_an_account_of_the_azure_cli_is_named(tmp_path: Path, profile: object, name: str) -> None:
    """As its profile file does, if that has the known form."""
    text = json.dumps(profile)
    (tmp_path / "azureProfile.json").write_text(text, encoding="utf-8-sig")
    account = find_account({"AZURE_CONFIG_DIR": str(tmp_path)}, person_is_there=False)
    assert account.description == f"{name}, signed in with the Azure CLI"


def test_nobody_is_an_error_unless_a_person_is_there(tmp_path: Path) -> None:
    """A profile without subscriptions is nobody."""
    (tmp_path / "azureProfile.json").write_text('{"subscriptions": []}')
    environ = {"AZURE_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(SignInError, match="az login"):
        find_account(environ, person_is_there=False)
    assert "browser" in find_account(environ, person_is_there=True).description
