"""Who gets in, and what is never shown."""

import struct

import pytest

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.login import (
    Gatekeeper,
    Login,
    LoginRequest,
    parse_login,
    prelogin_answer,
)
from submitter.emulator.sqlserver.wire import ProtocolError


def request(user: str = "reader", password: str = "secret", **changed: object) -> LoginRequest:
    """Return what a client might say."""
    said = {
        "access_token": None, "host": "", "application": "", "database": "train",
        "protocol_version": 0x74000004, "packet_size": 4096, "features": {},
    }  # fmt: skip
    return LoginRequest(user=user, password=password, **{**said, **changed})  # type: ignore[arg-type]


def login_message(user: str, password: str) -> bytes:
    """Return a LOGIN7 message, scrambled password and all."""
    scrambled = bytes(
        (((byte << 4) | (byte >> 4)) & 0xFF) ^ 0xA5 for byte in password.encode("utf-16-le")
    )
    texts = [b""] * 9
    texts[1], texts[2], texts[8] = user.encode("utf-16-le"), scrambled, "train".encode("utf-16-le")
    offsets, data = b"", b""
    for text in texts:
        offsets += struct.pack("<HH", 94 + len(data), len(text) // 2)
        data += text
    head = struct.pack("<III", 94 + len(data), 0x74000004, 8000) + bytes(24)
    return (head + offsets).ljust(94, b"\0") + data


def test_a_login_message_is_read_and_its_password_hidden() -> None:
    """The scrambling is undone; no repr shows what came out."""
    found = parse_login(login_message("reader", "p;ä}s"))
    assert (found.user, found.password, found.database) == ("reader", "p;ä}s", "train")
    assert found.packet_size == 8000
    assert "p;ä}s" not in repr(found)
    assert "p;ä}s" not in repr(Login("reader", "p;ä}s"))


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (request(password="Secret"), 18456),
        (request(user="nobody"), 18456),
        (request(database="missing"), 4060),
        (request(user="narrow", database="train"), 4060),
        (request(access_token="bad"), 18456),
    ],
)
def test_a_login_is_refused_for_its_reason(said: LoginRequest, number: int) -> None:
    """Passwords are case-sensitive, and no message holds one."""
    gate = Gatekeeper(
        [Login("reader", "secret"), Login("narrow", "secret", frozenset({"other"}))],
        lambda token: "app" if token == "good" else None,
    )
    with pytest.raises(SqlError) as caught:
        gate.admit(said, {"master", "train", "other"})
    assert caught.value.number == number
    assert "secret" not in caught.value.message.lower()


def test_logins_may_be_looked_up_and_tokens_checked() -> None:
    """A callable answers with the password of the moment."""
    passwords = {"reader": "first"}
    gate = Gatekeeper(passwords.get, lambda token: "app" if token == "good" else None)
    assert gate.admit(request(password="first"), {"train"}) == "reader"
    passwords["reader"] = "second"
    with pytest.raises(SqlError, match="Login failed"):
        gate.admit(request(password="first"), {"train"})
    assert gate.admit(request(access_token="good"), {"train"}) == "app"


def test_a_client_that_cannot_encrypt_is_turned_away() -> None:
    """Credentials never travel in clear."""
    payload = b"\x01\x00\x06\x00\x01\xff\x02"
    with pytest.raises(ProtocolError, match="cannot encrypt"):
        prelogin_answer(payload, already_encrypted=False)
    assert prelogin_answer(payload, already_encrypted=True)
