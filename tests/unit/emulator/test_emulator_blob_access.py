"""Blob storage with tokens of Entra ID: roles for data, leases, conditions on blocks, folders."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from starlette.responses import Response
from support.service_client import ServiceClient

from submitter.emulator.account_key import AccountKey
from submitter.emulator.blob_access import AUDIENCE, BlobAccess
from submitter.emulator.blobs import BlobStore
from submitter.emulator.entra import Entra
from submitter.emulator.service import Problem
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.storage import Storage

HOST = "account.blob.core.windows.net"
Send = Callable[..., Response]


@pytest.fixture
def send(blobs: BlobStore, entra: Entra) -> Send:
    """Send requests with a token; `c` is there, and `b` is who lands."""
    blobs.create_container("c")
    access = BlobAccess(HOST, SharedAccess(HOST), AccountKey("account"), entra)
    service = Storage(HOST, blobs, access).service()

    def send_as(
        method: str, path: str, *, as_: str = "b", audience: str = AUDIENCE, **headers: str
    ) -> Response:
        client = ServiceClient(service, entra.issue(as_, audience, appid=as_), host=HOST)
        path, _, query = path.partition("?")
        asked = dict(item.split("=") for item in query.split("&")) if query else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = "content" if method == "PUT" else None
        return client.send(method, path, body, asked, named)

    return send_as


def refusal(send: Send, *arguments: str, **options: str) -> tuple[int, str]:
    """Return status and code of a refused request."""
    with pytest.raises(Problem) as caught:
        send(*arguments, **options)
    return caught.value.status, caught.value.code


def test_the_role_decides(send: Send) -> None:
    """A contributor writes, a reader reads, and a role on the workspace is none on the data."""
    assert send("PUT", "/c/b").status_code == 201
    assert send("GET", "/c/b", as_="c").body == b'"content"'
    mismatch = (403, "AuthorizationPermissionMismatch")
    assert refusal(send, "PUT", "/c/b", as_="c") == mismatch
    assert refusal(send, "DELETE", "/c/b", as_="c") == mismatch
    assert refusal(send, "PUT", "/new?restype=container", as_="c") == mismatch
    assert refusal(send, "GET", "/c/b", as_="a") == mismatch
    assert refusal(send, "GET", "/c?restype=container&comp=list", as_="a") == mismatch
    assert send("PUT", "/new?restype=container").status_code == 201


def test_a_token_for_something_else_is_challenged(send: Send, entra: Entra) -> None:
    """With where to get the right one; the account's own address is an audience too."""
    with pytest.raises(Problem) as caught:
        send("GET", "/c/b", audience="https://vault.azure.net")
    assert (caught.value.status, caught.value.code) == (401, "InvalidAuthenticationInfo")
    challenge = caught.value.headers["WWW-Authenticate"]
    assert f"/{entra.tenant_id}/oauth2/authorize resource_id={AUDIENCE}" in challenge
    assert send("PUT", "/c/b", audience=f"https://{HOST}").status_code == 201


def test_a_container_that_is_missing_is_said_so(send: Send) -> None:
    """Unlike a blob that is."""
    assert refusal(send, "PUT", "/none/b") == (404, "ContainerNotFound")
    assert refusal(send, "GET", "/c/none") == (404, "BlobNotFound")


def lease(send: Send, action: str, lease_id: str = "", **headers: str) -> Response:
    """Do something with the lease of `/c/b`."""
    named = "x_ms_proposed_lease_id" if action == "acquire" else "x_ms_lease_id"
    given = {"x_ms_lease_action": action, named: lease_id, **headers}
    return send("PUT", "/c/b?comp=lease", **given)


def test_a_leased_blob_is_its_holders(send: Send, blobs: BlobStore) -> None:
    """Others read it; whoever asks with the same id again, as after a lost answer, has it."""
    send("PUT", "/c/b")
    for _ in range(2):
        acquired = lease(send, "acquire", "mine", x_ms_lease_duration="60")
        assert (acquired.status_code, acquired.headers["x-ms-lease-id"]) == (201, "mine")
    assert send("HEAD", "/c/b").headers["x-ms-lease-state"] == "leased"
    taken = (409, "LeaseAlreadyPresent")
    with pytest.raises(Problem) as caught:
        lease(send, "acquire", "other", x_ms_lease_duration="60")
    assert (caught.value.status, caught.value.code) == taken
    assert refusal(send, "PUT", "/c/b") == (412, "LeaseIdMissing")
    assert refusal(send, "DELETE", "/c/b") == (412, "LeaseIdMissing")
    assert refusal(send, "PUT", "/c/b?comp=block&blockid=x") == (412, "LeaseIdMissing")
    wrong = (412, "LeaseIdMismatchWithBlobOperation")
    assert refusal(send, "PUT", "/c/b", x_ms_lease_id="other") == wrong
    assert send("PUT", "/c/b", x_ms_lease_id="mine").status_code == 201
    assert lease(send, "renew", "mine").status_code == 200
    assert lease(send, "release", "mine").status_code == 200
    assert send("DELETE", "/c/b").status_code == 202
    assert blobs.leases.state("c/b") == "available"


def test_a_lease_ends_by_itself(send: Send, blobs: BlobStore) -> None:
    """Its holder may renew it as long as nobody else came; a write in between is somebody."""
    now = [0.0]
    blobs.leases._clock = lambda: now[0]
    send("PUT", "/c/b")
    lease(send, "acquire", "mine", x_ms_lease_duration="60")
    now[0] = 61.0
    assert blobs.leases.state("c/b") == "expired"
    assert refusal(send, "PUT", "/c/b", x_ms_lease_id="mine") == (412, "LeaseLost")
    assert lease(send, "renew", "mine").status_code == 200
    now[0] = 122.0
    send("PUT", "/c/b")
    with pytest.raises(Problem) as caught:
        lease(send, "renew", "mine")
    assert (caught.value.status, caught.value.code) == (409, "LeaseIdMismatchWithLeaseOperation")
    lease(send, "acquire", "other", x_ms_lease_duration="15")
    now[0] = 138.0
    assert lease(send, "acquire", "third", x_ms_lease_duration="-1").status_code == 201


def test_a_lease_can_be_broken(send: Send) -> None:
    """Without its id; its holder cannot renew it then, and anybody can acquire the next one."""
    send("PUT", "/c/b")
    lease(send, "acquire", "mine", x_ms_lease_duration="-1")
    assert lease(send, "break", x_ms_lease_break_period="0").status_code == 202
    with pytest.raises(Problem) as caught:
        lease(send, "renew", "mine")
    assert caught.value.code == "LeaseIsBrokenAndCannotBeRenewed"
    assert lease(send, "acquire", "other", x_ms_lease_duration="60").status_code == 201
    with pytest.raises(Problem) as caught:
        lease(send, "change", "other")
    assert (caught.value.status, caught.value.code) == (400, "InvalidHeaderValue")


def test_what_a_writer_notes_comes_back(send: Send, blobs: BlobStore) -> None:
    """Of blocks as of a whole blob; `If-None-Match: *` lets only the first one write."""
    blobs.stage_block("c/b", "MQ==", b"first")
    assert blobs.commit_blocks("c/b", ["MQ=="], None, {"put": "7"}).metadata == {"put": "7"}
    assert send("HEAD", "/c/b").headers["x-ms-meta-put"] == "7"
    taken = (409, "BlobAlreadyExists")
    assert refusal(send, "PUT", "/c/b", if_none_match="*") == taken
    send("PUT", "/c/b", x_ms_meta_put="8")
    assert send("HEAD", "/c/b").headers["x-ms-meta-put"] == "8"


def test_a_folder_is_listed_by_its_delimiter(send: Send, blobs: BlobStore) -> None:
    """What lies deeper is one prefix, and paging counts it once."""
    for name in ("set/_log/1", "set/_log/2", "set/a", "set2/b", "set/part/x/y"):
        blobs.write(f"c/{name}", b"12345")
    question = "/c?restype=container&comp=list&delimiter=/&prefix=set/"
    document = ET.fromstring(bytes(send("GET", question).body))  # noqa: S314 - the emulator's
    assert [each.findtext("Name") for each in document.iter("BlobPrefix")] == [
        "set/_log/",
        "set/part/",
    ]
    assert [each.findtext("Name") for each in document.iter("Blob")] == ["set/a"]
    first = ET.fromstring(bytes(send("GET", f"{question}&maxresults=1").body))  # noqa: S314
    assert first.findtext("NextMarker") == "set/a"
    assert refusal(send, "GET", question.replace("delimiter=/", "delimiter=-"))[0] == 400
    outside = send("GET", "/c?restype=container&comp=list&prefix=../").body
    assert b"<Name>" not in bytes(outside)
