"""The SDKs' exceptions, explained."""

import threading
from collections.abc import Callable

import pytest
import requests

from submitter.errors import InputError, NoAnswerError, NotFoundError, ServiceError, SignInError
from submitter.service import ask, explain


def with_status(status: int, text: str) -> Exception:
    """Return an HTTP error as requests raises it."""
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(text, response=response)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AADSTS7000215: Invalid client secret", "AZURE_CLIENT_SECRET is wrong"),
        ("AADSTS7000222: expired", "AZURE_CLIENT_SECRET has expired"),
        ("AADSTS700016: unknown", "AZURE_CLIENT_ID is not known"),
        ("AADSTS90002: tenant", "AZURE_TENANT_ID is not a tenant"),
    ],
)
def test_a_refused_sign_in_names_the_variable_to_mend(text: str, said: str) -> None:
    """Entra's code decides."""
    error = explain(RuntimeError(text), "open the workspace")
    assert isinstance(error, SignInError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (with_status(403, "no"), SignInError),
        (with_status(404, "no"), NotFoundError),
        (with_status(500, "oops"), ServiceError),
        (RuntimeError("Response Code: 404\nmore"), NotFoundError),
        (requests.ConnectionError("Connection refused"), NoAnswerError),
    ],
)
def test_the_status_decides_the_kind(error: Exception, kind: type[Exception]) -> None:
    """Wherever an SDK hides it."""
    assert type(explain(error, "do it")) is kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("('Unable to connect to proxy', RemoteDisconnected('closed'))", "connection was cut"),
        ("Failed to resolve 'x.azure.net'", "its name does not resolve"),
        ("[Errno 111] Connection refused", "the connection was refused"),
        ("Read timed out.", "there was no answer in time"),
        ("SSLError(SSLCertVerificationError(1))", "REQUESTS_CA_BUNDLE"),
    ],
)
def test_what_the_network_did_is_told_apart(text: str, said: str) -> None:
    """In a sentence, not in a library's words."""
    error = explain(requests.ConnectionError(text), "do it")
    assert isinstance(error, ServiceError)
    assert said in str(error)
    assert "HTTPS_PROXY" in str(error)


def test_the_services_own_sentence_is_passed_on() -> None:
    """Not the page of headers around it."""
    text = 'Received bad response\nResponse Code: 400\nContent: {"message": "Quota is used up"}'
    assert str(explain(RuntimeError(text), "submit")) == "Could not submit: Quota is used up."


def raising(error: Exception) -> Callable[[], None]:
    """Return a call that raises."""

    def call() -> None:
        raise error

    return call


def test_an_answer_comes_back() -> None:
    """Whatever the SDK returned."""
    assert ask("do it", lambda: [1]) == [1]


def test_our_own_errors_pass_unchanged() -> None:
    """They are explained already; the others are explained here."""
    with pytest.raises(NotFoundError, match="^as it was$"):
        ask("do it", raising(NotFoundError("as it was")))
    with pytest.raises(ServiceError, match="^Could not do it: oops.$"):
        ask("do it", raising(RuntimeError("oops")))


def test_a_silent_service_is_given_up() -> None:
    """The call goes on on its own thread, and nobody waits for it."""
    never = threading.Event()
    with pytest.raises(ServiceError, match=r"Could not wait: there was no answer within 0\.05 s"):
        ask("wait", never.wait, seconds=0.05)
    never.set()


@pytest.mark.parametrize("text", ["soon", "-1", "0", "inf"])
def test_the_timeout_must_be_a_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A typing error is no reason to wait for ever."""
    monkeypatch.setenv("SUBMITTER_TIMEOUT", text)
    with pytest.raises(InputError, match="SUBMITTER_TIMEOUT is not a positive number"):
        ask("do it", lambda: None)
