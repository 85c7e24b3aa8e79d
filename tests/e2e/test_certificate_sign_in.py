"""The real CertificateCredential: keys with a password, certificates out of date."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential
from cryptography.hazmat.primitives.asymmetric import rsa
from support.certificates import private, self_signed

from submitter.emulator import Emulator

CURRENT = "88888888-0000-0000-0000-000000000001"
EXPIRED = "88888888-0000-0000-0000-000000000002"
NOT_YET = "88888888-0000-0000-0000-000000000003"
PASSWORD = "pass;{word}"
DAYS = {CURRENT: (-1, 1), EXPIRED: (-9, -2), NOT_YET: (2, 9)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write for each application a certificate, and a file with its encrypted key too."""
    folder = tmp_path_factory.mktemp("certificates")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for client_id, days in DAYS.items():
        certificate = self_signed(key, *days)
        (folder / f"{client_id}.pem").write_bytes(certificate)
        (folder / f"{client_id}-key.pem").write_bytes(private(key, PASSWORD) + certificate)
    (folder / "open-key.pem").write_bytes(private(key) + (folder / f"{CURRENT}.pem").read_bytes())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "other-key.pem").write_bytes(private(other) + self_signed(other, -1, 1))
    return folder


@pytest.fixture(scope="module")
def azure(folder: Path) -> Iterator[Emulator]:
    """Play a tenant with an application for each certificate."""
    principals = [
        {"name": client_id, "client_id": client_id, "certificate": folder / f"{client_id}.pem"}
        for client_id in DAYS
    ]
    with (
        Emulator({"sql": None, "service_principals": principals}) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in emulator.environ.items():
            patch.setenv(name, value)
        yield emulator


def sign_in(azure: Emulator, client_id: str, file: Path, password: str | None = None) -> str:
    """Get a token for the vault."""
    tenant = azure.environ["AZURE_TENANT_ID"]
    with CertificateCredential(tenant, client_id, str(file), password=password) as credential:
        return credential.get_token("https://vault.azure.net/.default").token


def test_a_key_with_a_password_signs_in(azure: Emulator, folder: Path) -> None:
    """The key is encrypted at rest; one in clear does as well."""
    assert sign_in(azure, CURRENT, folder / f"{CURRENT}-key.pem", PASSWORD)
    assert sign_in(azure, CURRENT, folder / "open-key.pem")


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_key_without_its_password_stays_shut(
    azure: Emulator, folder: Path, password: str | None
) -> None:
    """The client finds out by itself."""
    with pytest.raises((ValueError, TypeError)):
        sign_in(azure, CURRENT, folder / f"{CURRENT}-key.pem", password)


@pytest.mark.parametrize("client_id", [EXPIRED, NOT_YET])
def test_a_certificate_out_of_date_is_refused(
    azure: Emulator, folder: Path, client_id: str
) -> None:
    """Entra looks at its validity; the client does not."""
    with pytest.raises(ClientAuthenticationError, match="AADSTS1000502"):
        sign_in(azure, client_id, folder / f"{client_id}-key.pem", PASSWORD)


def test_a_certificate_that_is_not_registered_is_refused(azure: Emulator, folder: Path) -> None:
    """Its thumbprint is none that the application has."""
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        sign_in(azure, CURRENT, folder / "other-key.pem")
