"""Tokens over an inherited socket: for two purposes, each only where the variables ask for it."""

import threading
from collections.abc import Callable

import pytest

from remote_entry.access_token import AccessToken
from remote_entry.errors import IdentityError, SettingsError
from remote_entry.hidden import Hidden
from remote_entry.supervision import tokens
from remote_entry.supervision.tokens import (
    SOCKET_VARIABLE,
    TokenBroker,
    find_storage_token_source,
    find_token_source,
)


def storage_token() -> AccessToken:
    """Return a token for storage."""
    return AccessToken(Hidden("for storage"), 1_900_000_000)


def environ_of(broker: TokenBroker) -> dict[str, str]:
    """Return what the command finds among its variables."""
    return {SOCKET_VARIABLE: str(broker.descriptor)}


def test_each_purpose_has_its_token() -> None:
    """That for storage with its end, so that whoever asked asks again in time."""
    environ = environ_of(TokenBroker(lambda: "for SQL Server", storage_token))
    assert find_token_source(environ)() == "for SQL Server"
    found = find_storage_token_source(environ)()
    assert (found.text.text, found.expires_on) == ("for storage", 1_900_000_000)
    assert "for storage" not in repr(found)


def test_a_purpose_that_nobody_asked_for_has_none() -> None:
    """Neither the other one's, nor one of a purpose that there is not."""
    environ = environ_of(TokenBroker(lambda: "for SQL Server"))
    with pytest.raises(IdentityError, match="no tokens for this purpose") as caught:
        find_storage_token_source(environ)()
    assert "STORAGE_AUTH" in caught.value.hint
    environ = environ_of(TokenBroker(None, storage_token))
    with pytest.raises(IdentityError, match="no tokens for this purpose"):
        find_token_source(environ)()
    with pytest.raises(IdentityError, match="no tokens for this purpose"):
        tokens._ask(int(environ[SOCKET_VARIABLE]), "vault")
    with pytest.raises(IdentityError, match="no tokens for this purpose"):
        tokens._ask(int(environ[SOCKET_VARIABLE]), "storage" * 9)


def test_why_there_is_none_is_told() -> None:
    """In the supervisor's own words; the next question is answered all the same."""
    answers: list[Callable[[], AccessToken]] = [storage_token]

    def fetch() -> AccessToken:
        if answers:
            return answers.pop()()
        raise IdentityError("expired", kind="identity.expired-secret", hint="make a new one")

    source = find_storage_token_source(environ_of(TokenBroker(None, fetch)))
    assert source().text.text == "for storage"
    with pytest.raises(IdentityError, match="expired") as caught:
        source()
    assert (caught.value.kind, caught.value.hint) == ("identity.expired-secret", "make a new one")
    answers.append(storage_token)
    assert source().text.text == "for storage"


def test_many_ask_at_once() -> None:
    """Each gets an answer of its own."""
    environ = environ_of(TokenBroker(lambda: "sql", storage_token))
    found: list[str] = []
    ask = [
        lambda: found.append(find_token_source(environ)()),
        lambda: found.append(find_storage_token_source(environ)().text.text),
    ]
    threads = [threading.Thread(target=ask[number % 2]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["for storage"] * 10 + ["sql"] * 10


@pytest.mark.parametrize("descriptor", ["", "no number", "999"])
def test_without_a_socket_it_says_which_variable_asks(descriptor: str) -> None:
    """A process that was started with its descriptors closed has none."""
    environ = {SOCKET_VARIABLE: descriptor}
    with pytest.raises(SettingsError, match="STORAGE_AUTH asks for an access token"):
        find_storage_token_source(environ)()
    with pytest.raises(SettingsError, match="SQL_AUTH asks for an access token"):
        find_token_source(environ)()
