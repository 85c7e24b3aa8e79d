"""Requests signed with an account's key: right ones pass, changed ones do not."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest

from submitter.emulator.account_key import AccountKey, is_signed_with_a_key
from submitter.emulator.service import Call, Problem

KEY = AccountKey("account", base64.b64encode(b"key").decode())


def request(text: str) -> Call:
    """Make a request that is signed over a text."""
    digest = hmac.new(b"key", text.encode(), hashlib.sha256).digest()
    return Call(
        method="PUT",
        host="account.blob.core.windows.net",
        path="/c/a b",
        headers={
            "authorization": f"SharedKey account:{base64.b64encode(digest).decode()}",
            "content-length": "0",
            "content-type": "text/plain",
            "x-ms-version": "2021-08-06",
            "x-ms-blob-type": "BlockBlob",
        },
        query={"comp": "block", "blockid": "x"},
        raw_path="/c/a%20b",
    )


def text_to_sign() -> str:
    """Write what the storage service signs, line by line."""
    headers = ["", "", "", "", "text/plain", "", "", "", "", "", ""]
    own = ["x-ms-blob-type:BlockBlob", "x-ms-version:2021-08-06"]
    resource = ["/account/c/a%20b", "blockid:x", "comp:block"]
    return "\n".join(["PUT", *headers, *own, *resource])


def test_a_request_signed_with_the_key_passes() -> None:
    """The text is the one of the REST reference; an empty body has no length in it."""
    call = request(text_to_sign())
    assert is_signed_with_a_key(call)
    KEY.check(call)


@pytest.mark.parametrize(
    "change",
    [{"method": "DELETE"}, {"raw_path": "/c/other"}, {"query": {"comp": "block", "blockid": "y"}}],
)
def test_a_changed_request_is_refused(change: dict[str, object]) -> None:
    """Method, path and query are all part of what is signed."""
    with pytest.raises(Problem, match="MAC signature"):
        KEY.check(replace(request(text_to_sign()), **change))


def test_another_account_is_refused() -> None:
    """The right key under another account's name opens nothing."""
    call = request(text_to_sign())
    authorization = call.headers["authorization"].replace("account", "other")
    with pytest.raises(Problem, match="MAC signature"):
        KEY.check(replace(call, headers={**call.headers, "authorization": authorization}))


def test_the_key_stays_out_of_its_repr() -> None:
    """A key that is logged by accident shows its account only."""
    assert KEY.value not in repr(KEY)
    assert "account" in repr(KEY)
