"""Tokens: who gets one, and what makes one acceptable."""

import json
from urllib.parse import urlencode

import jwt
import pytest

from submitter.emulator.entra import Entra, Principal, TokenError
from submitter.emulator.service import Call, Problem

TENANT = "11111111-1111-1111-1111-111111111111"
VAULT = "https://vault.azure.net"


@pytest.fixture
def entra() -> Entra:
    """Make a tenant with one application."""
    return Entra(TENANT, [Principal("submitter", "app", "pass;word", object_id="object")])


def token_request(entra: Entra, **form: str) -> dict[str, object]:
    """Post a form to the token endpoint and return the claims of the token."""
    service = entra.service()
    path = f"/{TENANT}/oauth2/v2.0/token"
    call = Call(
        method="POST",
        host="login.microsoftonline.com",
        path=path,
        headers={},
        query={},
        body=urlencode(form).encode(),
        parameters={"tenant": TENANT},
    )
    route = next(route for route in service.routes if route.parameters_of("POST", path))
    answer = json.loads(bytes(route.handler(call).body))
    return dict(entra.validate(answer["access_token"], VAULT))


def test_a_token_says_who_and_for_what(entra: Entra) -> None:
    """The scope becomes the audience."""
    claims = token_request(
        entra,
        grant_type="client_credentials",
        client_id="app",
        client_secret="pass;word",
        scope="https://vault.azure.net/.default",
    )
    assert (claims["appid"], claims["oid"], claims["tid"]) == ("app", "object", TENANT)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"grant_type": "password"}, "AADSTS70003"),
        ({"client_id": "other"}, "AADSTS700016"),
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_secret": None}, "AADSTS7000218"),
    ],
)
def test_a_wrong_request_gets_entras_number(
    entra: Entra, form: dict[str, str | None], expected: str
) -> None:
    """Each mistake has a number of its own."""
    right: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": "pass;word",
        "scope": f"{VAULT}/.default",
    }
    sent = {name: value for name, value in {**right, **form}.items() if value is not None}
    with pytest.raises(Problem, match=f"^{expected}:"):
        token_request(entra, **sent)


def test_a_token_is_for_one_audience(entra: Entra) -> None:
    """A slash makes no difference, another service does."""
    token = entra.issue("me", f"{VAULT}/")
    assert entra.validate(token, VAULT)["sub"] == "me"
    with pytest.raises(TokenError, match="Invalid audience"):
        entra.validate(token, "https://management.azure.com/")


def test_an_expired_token_is_refused(entra: Entra) -> None:
    """A token ends when it says."""
    with pytest.raises(TokenError, match="expired"):
        entra.validate(entra.issue("me", VAULT, seconds=-1), VAULT)


def test_another_tenants_token_is_refused(entra: Entra) -> None:
    """The right claims with another key's signature are nothing."""
    foreign = Entra(TENANT, []).issue("me", VAULT)
    with pytest.raises(TokenError, match="not valid"):
        entra.validate(foreign, VAULT)


@pytest.mark.parametrize("token", ["", "a.b.c", "not a token"])
def test_rubbish_is_refused(entra: Entra, token: str) -> None:
    """What is no token is told so."""
    with pytest.raises(TokenError, match="not valid"):
        entra.validate(token, VAULT)


def test_an_unsigned_token_is_refused(entra: Entra) -> None:
    """`alg: none` is the oldest trick."""
    claims = {"aud": VAULT, "tid": TENANT, "exp": 9_999_999_999}
    with pytest.raises(TokenError, match="not valid"):
        entra.validate(jwt.encode(claims, None, algorithm="none"), VAULT)


def test_a_principals_repr_holds_no_secret() -> None:
    """A principal may be logged."""
    assert "pass;word" not in repr(Principal("submitter", "app", "pass;word"))
