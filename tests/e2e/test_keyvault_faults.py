"""Faults of the vault and of Entra as the real SDKs meet them: the services' own words."""

import datetime as dt
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from submitter.emulator import Emulator, TokenFault

VAULT = "https://kv-faults.vault.azure.net"
SECRET = "GET /secrets/"
OTHER_TENANT = "99999999-9999-9999-9999-999999999999"
CONFIG = {
    "sql": None,
    "vaults": {
        "kv-faults": {
            "good": "x" * 400,
            "by-date": {"value": "x", "expires": dt.date(2020, 1, 31)},
            "soon": {"value": "x", "expires_in_days": 3},
            "gone": {"value": "still readable", "expires_in_days": -1},
        }
    },
}


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Start one emulator for the module."""
    with Emulator(CONFIG) as emulator:
        yield emulator


@pytest.fixture
def client(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretClient]:
    """Make a client that tries once, and leave no fault behind."""
    for name, value in azure.environ.items():
        monkeypatch.setenv(name, value)
    tried_once = {"retry_total": 0, "connection_timeout": 2, "read_timeout": 1}
    credential = ClientSecretCredential(
        azure.environ["AZURE_TENANT_ID"],
        azure.environ["AZURE_CLIENT_ID"],
        azure.environ["AZURE_CLIENT_SECRET"],
        **tried_once,
    )
    with credential, SecretClient(VAULT, credential, **tried_once) as made:
        yield made
    azure.faults.clear()


@pytest.mark.parametrize(
    ("name", "status", "inner_code", "text"),
    [
        ("ForbiddenByRbac", 403, "ForbiddenByRbac", "not authorized to perform action"),
        ("AccessDenied", 403, "AccessDenied", "does not have secrets get permission"),
        ("ForbiddenByFirewall", 403, "ForbiddenByFirewall", "Client address is not authorized"),
        ("ForbiddenByConnection", 403, "ForbiddenByConnection", "Public network access"),
        ("SecretDisabled", 403, "SecretDisabled", "disabled secret"),
        ("SecretNotFound", 404, None, "was not found in this key vault"),
        ("Throttled", 429, None, "too many requests"),
        ("InternalServerError", 500, None, "unexpected error"),
        ("ServiceUnavailable", 503, None, "temporarily unavailable"),
    ],
)
def test_the_vault_refuses_in_its_own_words(
    azure: Emulator, client: SecretClient, name: str, status: int, inner_code: str, text: str
) -> None:
    """Status, code and inner code are what clients tell the refusals apart by."""
    client.get_secret("good")  # the challenge is over
    azure.faults.add("keyvault", SECRET, problem=name, times=None)
    with pytest.raises(HttpResponseError, match=text) as caught:
        client.get_secret("good")
    error = caught.value.response.json()["error"]
    assert caught.value.status_code == status
    assert error.get("innererror", {}).get("code") == inner_code


def test_an_unknown_problem_is_a_mistake_of_the_test(azure: Emulator) -> None:
    """A rule that could never strike is refused where it is made."""
    with pytest.raises(ValueError, match="it knows Unauthorized, Forbidden, "):
        azure.faults.add("keyvault", problem="ForbiddenByMistake")


def test_throttling_may_say_when_to_come_back(azure: Emulator, client: SecretClient) -> None:
    """A status alone has the service's body too, and headers of the rule's."""
    azure.faults.add("keyvault", SECRET, status=429, headers={"Retry-After": "2"}, times=None)
    with pytest.raises(HttpResponseError) as caught:
        client.get_secret("good")
    assert caught.value.error.code == "Throttled"
    assert caught.value.response.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (TokenFault(seconds=-60), "TokenExpired"),
        (TokenFault(tenant=OTHER_TENANT), f"AKV10032: Invalid issuer.*{OTHER_TENANT}"),
    ],
)
def test_the_vault_refuses_a_token(
    azure: Emulator, client: SecretClient, fault: TokenFault, text: str
) -> None:
    """An expired one, and one of another tenant: 401, though Entra has handed it out."""
    azure.faults.add("entra", "POST", token=fault, times=None)
    with pytest.raises(ClientAuthenticationError, match=text) as caught:
        client.get_secret("good")
    assert caught.value.status_code == 401


def test_a_token_may_be_short_lived(azure: Emulator, client: SecretClient) -> None:
    """It says so, and a client that keeps tokens asks for a new one in time."""
    azure.faults.add("entra", "POST", token=TokenFault(seconds=2), times=None)
    before = len(azure.requests)
    client.get_secret("good")
    client.get_secret("good")
    asked = [each for each in azure.requests[before:] if each.service == "entra"]
    assert [each.method for each in asked].count("POST") == 2


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"problem": "AADSTS7000222"}, "AADSTS7000222"),
        ({"problem": "AADSTS53003"}, "AADSTS53003"),
        ({"status": 429}, "AADSTS90055"),
        # msal does not look into the body of these.
        ({"problem": "AADSTS90033"}, "HTTP Error: 503"),
        ({"status": 500}, "HTTP Error: 500"),
    ],
)
def test_entra_refuses_in_its_own_words(
    azure: Emulator, client: SecretClient, rule: dict[str, object], text: str
) -> None:
    """The number is what clients tell the refusals apart by."""
    azure.faults.add("entra", "POST", times=None, **rule)
    with pytest.raises(ClientAuthenticationError, match=text):
        client.get_secret("good")


def test_an_unknown_authority_is_refused(
    azure: Emulator, client: SecretClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client asks the public cloud's authority about a host that it does not know itself."""
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.invalid")
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    with (
        ClientSecretCredential(*(azure.environ[name] for name in names)) as credential,
        pytest.raises(ClientAuthenticationError, match="is not well-known"),
    ):
        credential.get_token("https://vault.azure.net/.default")


def test_an_answer_may_end_in_its_middle(azure: Emulator, client: SecretClient) -> None:
    """The head promises more than comes."""
    client.get_secret("good")
    azure.faults.add("keyvault", SECRET, cut_body=True, times=None)
    with pytest.raises((IncompleteReadError, ServiceResponseError, HttpResponseError)):
        client.get_secret("good")
    azure.faults.clear()
    assert client.get_secret("good").value == "x" * 400


def test_a_silent_service_is_given_up_by_the_client(azure: Emulator, client: SecretClient) -> None:
    """It answers nothing, as long as the client waits."""
    client.get_secret("good")
    azure.faults.add("keyvault", SECRET, silent=True, times=None)
    with pytest.raises(ServiceResponseTimeoutError):
        client.get_secret("good")


def test_a_silent_service_does_not_hold_up_the_stop() -> None:
    """An emulator stops while a client still waits."""
    emulator = Emulator(CONFIG).start()
    rule = emulator.faults.add("keyvault", silent=True)
    ended = []

    def ask() -> None:
        try:
            requests.get(
                f"{VAULT}/secrets/good",
                proxies={"https": emulator.environ["HTTPS_PROXY"]},
                verify=emulator.environ["REQUESTS_CA_BUNDLE"],
                timeout=60,
            )
        except requests.RequestException as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while rule.remaining:
        time.sleep(0.01)
    emulator.stop()
    thread.join(10)
    assert ended


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("by-date", dt.timedelta.min),
        ("soon", dt.timedelta(days=3)),
        ("gone", dt.timedelta(days=-1)),
    ],
)
def test_an_expired_secret_is_read_and_says_so(
    client: SecretClient, name: str, expected: dt.timedelta
) -> None:
    """Expiry is written as a date or in days from now."""
    secret = client.get_secret(name)
    left = secret.properties.expires_on - dt.datetime.now(dt.timezone.utc)
    if name == "by-date":
        assert secret.properties.expires_on == dt.datetime(2020, 1, 31, tzinfo=dt.timezone.utc)
    else:
        assert abs(left - expected) < dt.timedelta(minutes=5)
