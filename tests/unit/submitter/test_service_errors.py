"""The SDKs' exceptions, explained."""

import pytest
import requests

from submitter.errors import NotFoundError, ServiceError, SignInError
from submitter.service_errors import explain, explained


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
        (requests.ConnectionError("Connection refused"), ServiceError),
    ],
)
def test_the_status_decides_the_kind(error: Exception, kind: type[Exception]) -> None:
    """Wherever an SDK hides it."""
    assert type(explain(error, "do it")) is kind


def test_the_services_own_sentence_is_passed_on() -> None:
    """Not the page of headers around it."""
    text = 'Received bad response\nResponse Code: 400\nContent: {"message": "Quota is used up"}'
    assert str(explain(RuntimeError(text), "submit")) == "Could not submit: Quota is used up."


def test_our_own_errors_pass_unchanged() -> None:
    """They are explained already."""
    with pytest.raises(NotFoundError, match="^as it was$"), explained("do it"):
        raise NotFoundError("as it was")
