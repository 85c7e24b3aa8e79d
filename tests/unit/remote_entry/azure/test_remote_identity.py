"""Settings become the credential that they name, and no other."""

import pickle
from pathlib import Path

import pytest
from azure.identity import ClientSecretCredential, ManagedIdentityCredential

from remote_entry.azure.identity import open_credential
from remote_entry.deadline import Deadline
from remote_entry.errors import IdentityError
from remote_entry.settings.identity import IdentitySettings, read_identity

PRINCIPAL = {
    "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
}
MANAGED = {"REMOTE_ENTRY_IDENTITY": "managed-identity"}


def identity(**variables: str) -> IdentitySettings:
    """Read an identity that has no problem and causes no warning."""
    problems: list[str] = []
    warnings: list[str] = []
    settings = read_identity(variables, problems, warnings)
    assert problems + warnings == []
    return settings


def test_service_principal_is_used_explicitly() -> None:
    """No chain of guesses decides who the run is."""
    settings = identity(**PRINCIPAL, AZURE_CLIENT_SECRET="canary")
    assert isinstance(open_credential(settings, Deadline(60)), ClientSecretCredential)


def test_managed_identity_is_opted_in() -> None:
    """The client id of a service principal is not taken for a managed identity's."""
    settings = identity(**MANAGED, **PRINCIPAL)
    assert settings.managed_identity_client_id == ""
    assert isinstance(open_credential(settings, Deadline(60)), ManagedIdentityCredential)


@pytest.mark.parametrize(
    ("variables", "client_id"),
    [
        ({"MANAGED_IDENTITY_CLIENT_ID": "mine", "DEFAULT_IDENTITY_CLIENT_ID": "azureml"}, "mine"),
        ({"DEFAULT_IDENTITY_CLIENT_ID": "azureml"}, "azureml"),
        ({"DEFAULT_IDENTITY_CLIENT_ID": "clientid"}, ""),
        ({}, ""),
    ],
)
def test_managed_identity_has_a_variable_of_its_own(
    variables: dict[str, str], client_id: str
) -> None:
    """Azure ML's own variable stands in for it, but not with the text that says there is none."""
    assert identity(**MANAGED, **variables).managed_identity_client_id == client_id


def test_missing_part_lists_where_it_was_looked_for() -> None:
    """The error names each place in which a proof of the identity could have been."""
    with pytest.raises(IdentityError) as caught:
        open_credential(identity(**PRINCIPAL), Deadline(60))
    for place in (
        "AZURE_CLIENT_SECRET is not set",
        "AZURE_CLIENT_SECRET_FROM_WORKSPACE",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "REMOTE_ENTRY_IDENTITY=managed-identity",
    ):
        assert place in str(caught.value)


def test_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The message has the path, and where it was seen from."""
    path = str(tmp_path / "none.pem")
    with pytest.raises(IdentityError, match=r"none.pem, seen from") as caught:
        open_credential(identity(**PRINCIPAL, AZURE_CLIENT_CERTIFICATE_PATH=path), Deadline(60))
    assert caught.value.kind == "identity.certificate"


def test_file_that_is_no_certificate_is_not_quoted(tmp_path: Path) -> None:
    """Somebody may point at the file with the client secret."""
    file = tmp_path / "secret.txt"
    file.write_text("canary")
    settings = identity(**PRINCIPAL, AZURE_CLIENT_CERTIFICATE_PATH=str(file))
    with pytest.raises(IdentityError, match=r"cannot be used \(ValueError\)") as caught:
        open_credential(settings, Deadline(60))
    assert "canary" not in str(caught.value)


def test_unknown_kind_and_two_proofs_are_noticed() -> None:
    """A typing error must not become another identity in silence."""
    problems: list[str] = []
    warnings: list[str] = []
    variables = {"REMOTE_ENTRY_IDENTITY": "managed", "AZURE_CLIENT_SECRET": "canary"}
    read_identity(variables | {"AZURE_CLIENT_CERTIFICATE_PATH": "x.pem"}, problems, warnings)
    assert problems == ["REMOTE_ENTRY_IDENTITY is neither service-principal nor managed-identity"]
    assert "the certificate is used" in warnings[0]


def test_nothing_shows_secret_or_password() -> None:
    """Settings end in tracebacks."""
    settings = identity(
        AZURE_CLIENT_SECRET="canary", AZURE_CLIENT_CERTIFICATE_PASSWORD="canary-password"
    )
    for shown in (repr(settings), str(vars(settings)), str(settings.client_secret)):
        assert "canary" not in shown
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(settings)
