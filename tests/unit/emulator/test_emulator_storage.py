"""Blob storage over HTTP: signed addresses, ranges, conditions."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from starlette.responses import Response, StreamingResponse

from submitter.emulator.account_key import AccountKey
from submitter.emulator.blob_access import BlobAccess
from submitter.emulator.blobs import BlobStore
from submitter.emulator.entra import Entra
from submitter.emulator.service import Call, Problem
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.storage import Storage

HOST = "account.blob.core.windows.net"
Request = Callable[..., Response]


@pytest.fixture
def access() -> SharedAccess:
    """Make a signer."""
    return SharedAccess(HOST)


@pytest.fixture
def request_(tmp_path: Path, access: SharedAccess, entra: Entra) -> Request:
    """Send a request to a store that holds one blob, `c/b` = `0123456789`."""
    blobs = BlobStore(tmp_path)
    blobs.write("c/b", b"0123456789")
    way_in = BlobAccess(HOST, access, AccountKey("account"), entra)
    service = Storage(HOST, blobs, way_in).service()

    def send(method: str, url: str, body: bytes = b"", **headers: str) -> Response:
        parts = urlsplit(url)
        call = Call(
            method=method,
            host=HOST,
            path=unquote(parts.path),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            query=dict(parse_qsl(parts.query)),
            body=body,
        )
        for route in service.routes:
            parameters = route.parameters_of(method, call.path)
            if parameters is not None:
                return route.handler(replace(call, parameters=parameters))
        raise LookupError(call.path)

    return send


def refusal(send: Request, *arguments: object, **headers: str) -> tuple[int, str]:
    """Return status and code of a refused request."""
    with pytest.raises(Problem) as caught:
        send(*arguments, **headers)
    return caught.value.status, caught.value.code


def test_a_signed_address_reads_the_blob(request_: Request, access: SharedAccess) -> None:
    """A signature for reading reads."""
    response = request_("GET", access.url("c/b", "r"))
    assert (response.status_code, response.body) == (200, b"0123456789")
    assert response.headers["etag"]


def test_a_signature_is_for_one_path(request_: Request, access: SharedAccess) -> None:
    """The same signature on another blob is refused."""
    url = access.url("c/b", "r").replace("/c/b", "/c/other")
    assert refusal(request_, "GET", url) == (403, "AuthenticationFailed")


def test_permissions_cannot_be_widened(request_: Request, access: SharedAccess) -> None:
    """Permissions are signed, and needed."""
    readable = access.url("c/b", "r")
    assert refusal(request_, "PUT", readable, b"x") == (403, "AuthorizationPermissionMismatch")
    widened = readable.replace("sp=r&", "sp=rw&")
    assert refusal(request_, "PUT", widened, b"x") == (403, "AuthenticationFailed")


def test_an_expired_signature_is_refused(request_: Request, access: SharedAccess) -> None:
    """A signature ends when it says, and the end cannot be moved."""
    expired = access.url("c/b", "r", seconds=-1)
    assert refusal(request_, "GET", expired) == (403, "AuthenticationFailed")
    year = expired.partition("se=")[2][:4]
    moved = expired.replace(f"se={year}", "se=2199")
    assert refusal(request_, "GET", moved) == (403, "AuthenticationFailed")


def test_a_request_without_a_signature_is_refused(request_: Request) -> None:
    """Nobody is anonymous."""
    assert refusal(request_, "GET", f"https://{HOST}/c/b") == (403, "AuthenticationFailed")


@pytest.mark.parametrize("name", ["c/a b%20.txt", "c/ünï+&=.txt"])
def test_a_path_that_was_quoted_twice_is_still_the_blob(
    request_: Request, access: SharedAccess, name: str
) -> None:
    """azureml-core quotes the path of an address once more when it uploads."""
    url = access.url(name, "rcw")
    request_("PUT", url.replace(quote(name), quote(quote(name))), b"content")
    assert request_("GET", url).body == b"content"


@pytest.mark.parametrize(
    ("asked", "status", "body", "range_"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("lines=1", 200, b"0123456789", None),
    ],
)
def test_ranges_are_honoured(
    request_: Request, access: SharedAccess, asked: str, status: int, body: bytes, range_: str
) -> None:
    """A log is followed by byte offset."""
    response = request_("GET", access.url("c/b", "r"), range=asked)
    assert (response.status_code, response.body) == (status, body)
    assert response.headers.get("content-range") == range_


def test_a_large_blob_is_sent_in_pieces(request_: Request, access: SharedAccess) -> None:
    """A part of it is exactly that part, with its size ahead of it."""
    content = bytes(range(256)) * 12_000
    request_("PUT", access.url("c/large", "w"), content)
    start, end = 1_000, 2_500_000
    answer = request_("GET", access.url("c/large", "r"), range=f"bytes={start}-{end}")
    assert answer.headers["content-length"] == str(end - start + 1)
    assert asyncio.run(collected(answer)) == content[start : end + 1]


async def collected(answer: Response) -> bytes:
    """Put the pieces of an answer together; there must be more than one."""
    assert isinstance(answer, StreamingResponse)
    pieces = [bytes(piece) async for piece in answer.body_iterator]
    assert len(pieces) > 1
    return b"".join(pieces)


def test_a_range_beyond_the_end_says_how_long_the_blob_is(
    request_: Request, access: SharedAccess
) -> None:
    """Asking for what is not there yet is a 416 with the size."""
    with pytest.raises(Problem) as caught:
        request_("GET", access.url("c/b", "r"), range="bytes=10-")
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}


def test_head_tells_the_size_without_the_content(request_: Request, access: SharedAccess) -> None:
    """HEAD has the length of the GET."""
    response = request_("HEAD", access.url("c/b", "r"))
    assert (response.headers["content-length"], response.body) == ("10", b"")


def test_conditions_reach_the_store(request_: Request, access: SharedAccess) -> None:
    """`If-None-Match` and `If-Match` become 409, 412 and 304."""
    url = access.url("c/b", "rcw")
    etag = request_("GET", url).headers["etag"]
    assert refusal(request_, "PUT", url, b"x", if_none_match="*") == (409, "BlobAlreadyExists")
    assert refusal(request_, "PUT", url, b"x", if_match='"0x1"') == (412, "ConditionNotMet")
    assert request_("PUT", url, b"x", if_match=etag).status_code == 201
    newer = request_("GET", url).headers["etag"]
    assert request_("GET", url, if_none_match=newer).status_code == 304


def test_blocks_and_appends_arrive(request_: Request, access: SharedAccess) -> None:
    """The two ways of the SDKs to upload what is large, and what grows."""
    url = access.url("c/big", "racw")
    request_("PUT", f"{url}&comp=block&blockid=MQ==", b"one")
    request_("PUT", f"{url}&comp=block&blockid=Mg==", b"two")
    listed = b"<BlockList><Latest>Mg==</Latest><Latest>MQ==</Latest></BlockList>"
    request_("PUT", f"{url}&comp=blocklist", listed)
    request_("PUT", f"{url}&comp=appendblock", b"!")
    assert request_("GET", url).body == b"twoone!"


def test_an_operation_that_is_not_played_is_refused(
    request_: Request, access: SharedAccess
) -> None:
    """Not every `comp` is known, and none is silently taken for an upload."""
    url = f"{access.url('c/b', 'racwd')}&comp=tier"
    assert refusal(request_, "PUT", url) == (400, "UnsupportedQueryParameter")
    assert request_("GET", url).body == b"0123456789"
