"""The real azure-identity and azure-keyvault-secrets against the emulator."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CertificateCredential, ClientSecretCredential, EnvironmentCredential
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives.asymmetric import rsa
from support.certificates import private, self_signed

from submitter.emulator import Emulator

VAULT = "https://kv-test.vault.azure.net"
PINNED = "0123456789abcdef0123456789abcdef"
READER = "66666666-6666-6666-6666-666666666666"
EXPIRED = "77777777-7777-7777-7777-777777777777"
CERTIFIED = "88888888-8888-8888-8888-888888888888"


@pytest.fixture(scope="module")
def key_and_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a self-signed certificate, and one file with its private key too."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    folder = tmp_path_factory.mktemp("certificate")
    certificate = self_signed(key, -1, 1)
    (folder / "public.pem").write_bytes(certificate)
    (folder / "both.pem").write_bytes(private(key) + certificate)
    return folder / "both.pem", folder / "public.pem"


@pytest.fixture(scope="module")
def azure(key_and_certificate: tuple[Path, Path]) -> Iterator[Emulator]:
    """Start one emulator for the module, and check at its end that nothing went past it."""
    _, certificate = key_and_certificate
    config = {
        "sql": None,
        "service_principals": [
            {
                "client_id": "44444444-4444-4444-4444-444444444444",
                "vault_permissions": ["get", "list", "set", "delete", "recover", "purge"],
            },
            {"client_id": READER, "client_secret": "reader", "vault_permissions": ["get"]},
            {"client_id": EXPIRED, "client_secret": "old", "expired": True},
            {"client_id": CERTIFIED, "certificate": certificate},
        ],
        "vaults": {
            "kv-test": {
                "sql-username": {"value": "flights_reader", "version": PINNED},
                "sql-password": {"generate": True},
                "off": {"value": "x", "enabled": False},
                "old": {"value": "still readable", "expires": 1},
            },
            "kv-other": {},
        },
    }
    with Emulator(config) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.fixture(autouse=True)
def _environment(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point the SDKs at the emulator, and leave no fault behind."""
    for name, value in azure.environ.items():
        monkeypatch.setenv(name, value)
    yield
    azure.faults.clear()


@pytest.fixture
def client() -> Iterator[SecretClient]:
    """Sign in from the environment, as a container does."""
    with EnvironmentCredential() as credential, SecretClient(VAULT, credential) as secret_client:
        yield secret_client


def client_of(azure: Emulator, client_id: str, secret: str, **settings: object) -> SecretClient:
    """Sign in as a certain application."""
    credential = ClientSecretCredential(azure.environ["AZURE_TENANT_ID"], client_id, secret)
    return SecretClient(VAULT, credential, **settings)


def test_a_secret_is_read_by_name_and_by_version(client: SecretClient) -> None:
    """The configured version is a pin that works, and the latest one."""
    assert client.get_secret("sql-username").value == "flights_reader"
    pinned = client.get_secret("sql-username", PINNED)
    assert (pinned.value, pinned.properties.version) == ("flights_reader", PINNED)


def test_a_new_version_leaves_the_old_one_readable(client: SecretClient) -> None:
    """Setting a secret again adds a version."""
    first = client.set_secret("rotated", "1", content_type="text/plain", tags={"team": "data"})
    second = client.set_secret("rotated", "2")
    assert client.get_secret("rotated").value == "2"
    assert client.get_secret("rotated", first.properties.version).value == "1"
    versions = client.list_properties_of_secret_versions("rotated")
    assert [each.version for each in versions] == [
        first.properties.version,
        second.properties.version,
    ]
    assert first.properties.tags == {"team": "data"}


def test_lists_come_in_pages(client: SecretClient, azure: Emulator) -> None:
    """More than one page of secrets is followed to its end."""
    for number in range(60):
        azure.vault("kv-test").set(f"many-{number:02}", "x")
    names = [each.name for each in client.list_properties_of_secrets()]
    assert [name for name in names if name.startswith("many-")] == [
        f"many-{number:02}" for number in range(60)
    ]


def test_a_deleted_secret_can_be_recovered_or_purged(client: SecretClient) -> None:
    """A deleted secret keeps its name until it is purged."""
    client.set_secret("doomed", "1")
    client.begin_delete_secret("doomed").wait()
    with pytest.raises(ResourceNotFoundError, match="recover"):
        client.get_secret("doomed")
    with pytest.raises(ResourceExistsError, match="recoverable"):
        client.set_secret("doomed", "2")
    client.begin_recover_deleted_secret("doomed").wait()
    assert client.get_secret("doomed").value == "1"
    client.begin_delete_secret("doomed").wait()
    assert [each.name for each in client.list_deleted_secrets()] == ["doomed"]
    client.purge_deleted_secret("doomed")
    assert client.set_secret("doomed", "3").value == "3"


def test_a_disabled_secret_is_refused_and_an_expired_one_is_not(client: SecretClient) -> None:
    """Expiry is information; being disabled is a refusal."""
    with pytest.raises(HttpResponseError, match="disabled secret"):
        client.get_secret("off")
    old = client.get_secret("old")
    assert old.value == "still readable"
    assert old.properties.expires_on < dt.datetime.now(dt.timezone.utc)
    client.update_secret_properties("off", enabled=True)
    assert client.get_secret("off").value == "x"
    client.update_secret_properties("off", enabled=False)


@pytest.mark.parametrize("version", [None, "f" * 32])
def test_a_missing_secret_or_version_is_not_found(client: SecretClient, version: str) -> None:
    """The exception names what was asked for."""
    with pytest.raises(ResourceNotFoundError, match="absent|f{32}"):
        client.get_secret("absent" if version is None else "sql-username", version)


def test_a_malformed_version_is_a_bad_request(client: SecretClient) -> None:
    """A version that cannot be one is told apart from one that is not there."""
    with pytest.raises(HttpResponseError, match="invalid version"):
        client.get_secret("sql-username", "latest")


def test_an_application_needs_the_permission(azure: Emulator) -> None:
    """A reader gets and neither lists nor sets."""
    with client_of(azure, READER, "reader") as reader:
        assert reader.get_secret("sql-username").value == "flights_reader"
        with pytest.raises(HttpResponseError, match="secrets list permission"):
            list(reader.list_properties_of_secrets())
        with pytest.raises(HttpResponseError, match="secrets set permission"):
            reader.set_secret("x", "1")


@pytest.mark.parametrize(
    ("client_id", "secret", "number"),
    [
        (READER, "wrong", "AADSTS7000215"),
        (EXPIRED, "old", "AADSTS7000222"),
        ("99999999-9999-9999-9999-999999999999", "x", "AADSTS700016"),
        (CERTIFIED, "x", "AADSTS7000215"),
    ],
)
def test_a_wrong_sign_in_has_entras_number(
    azure: Emulator, client_id: str, secret: str, number: str
) -> None:
    """A wrong secret, an expired one and an unknown application are told apart."""
    with (
        client_of(azure, client_id, secret) as secret_client,
        pytest.raises(ClientAuthenticationError, match=number),
    ):
        secret_client.get_secret("sql-username")


def test_an_unknown_tenant_is_refused(azure: Emulator) -> None:
    """A tenant that is not there fails at discovery."""
    credential = ClientSecretCredential("12345678-1111-1111-1111-111111111111", READER, "reader")
    with credential, pytest.raises(ClientAuthenticationError, match="12345678-1111"):
        credential.get_token("https://vault.azure.net/.default")


def test_a_certificate_signs_in(azure: Emulator, key_and_certificate: tuple[Path, Path]) -> None:
    """A client assertion signed with the registered certificate's key is accepted."""
    both, _ = key_and_certificate
    tenant = azure.environ["AZURE_TENANT_ID"]
    with (
        CertificateCredential(tenant, CERTIFIED, str(both)) as credential,
        SecretClient(VAULT, credential) as certified,
    ):
        assert certified.get_secret("sql-username").value == "flights_reader"


def test_another_certificate_does_not(
    azure: Emulator, key_and_certificate: tuple[Path, Path]
) -> None:
    """A certificate that is not the application's is refused."""
    both, _ = key_and_certificate
    tenant = azure.environ["AZURE_TENANT_ID"]
    with (
        CertificateCredential(tenant, READER, str(both)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700027"),
    ):
        credential.get_token("https://vault.azure.net/.default")


def test_a_token_for_another_service_is_refused(azure: Emulator) -> None:
    """The vault looks at a token's audience."""

    class WrongAudience:
        def get_token(self, *_scopes: str, **settings: object) -> object:
            return credential.get_token("https://management.azure.com/.default")

    credential = ClientSecretCredential(azure.environ["AZURE_TENANT_ID"], READER, "reader")
    with (
        credential,
        SecretClient(VAULT, WrongAudience()) as confused,
        pytest.raises(ClientAuthenticationError, match="Invalid audience"),
    ):
        confused.get_secret("sql-username")


def test_one_client_asks_for_one_token(azure: Emulator) -> None:
    """N secrets through one client cost N + 3 requests: challenge, discovery, token."""
    before = len(azure.requests)
    with client_of(azure, READER, "reader") as reader:
        for _ in range(5):
            reader.get_secret("sql-username")
    answered = azure.requests[before:]
    assert len(answered) == 5 + 3
    assert [record.status for record in answered].count(401) == 1


def test_throttling_is_retried(
    azure: Emulator,
) -> None:
    """A 429 is a pause, not an error."""
    rule = azure.faults.add("keyvault", "GET", status=429, times=2)
    with client_of(azure, READER, "reader", retry_backoff_factor=0) as reader:
        assert reader.get_secret("sql-username").value == "flights_reader"
    assert rule.remaining == 0


def test_a_dropped_connection_is_seen_as_one(azure: Emulator) -> None:
    """A fault can cut the connection before any answer."""
    azure.faults.add("keyvault", "GET /secrets/sql-username", drop=True, times=None)
    with (
        client_of(azure, READER, "reader", retry_total=0) as reader,
        pytest.raises((ServiceRequestError, ServiceResponseError)),
    ):
        reader.get_secret("sql-username")
