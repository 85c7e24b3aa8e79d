"""Lists of blobs: pages, markers, and the XML around them."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from support.service_client import ServiceClient

from submitter.emulator.account_key import AccountKey
from submitter.emulator.blob_access import BlobAccess
from submitter.emulator.blob_listing import page_of
from submitter.emulator.blobs import BlobStore
from submitter.emulator.entra import Entra
from submitter.emulator.service import Call, Problem
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.storage import Storage

Send = Callable[..., bytes]


@pytest.fixture
def send(blobs: BlobStore, entra: Entra) -> Send:
    """Send requests that are signed with the account's key."""
    key = AccountKey("account")
    access = BlobAccess("host", SharedAccess("host"), key, entra)
    service = Storage("host", blobs, access).service()
    client = ServiceClient(service, host="host")

    def signed(method: str, path: str, **query: str) -> bytes:
        call = Call(method, "host", path, {}, query, raw_path=path)
        signature = f"SharedKey account:{key.signature_of(call)}"
        answer = client.send(method, path, query=query, headers={"authorization": signature})
        return bytes(answer.body)

    return signed


def listing(document: bytes) -> ET.Element:
    """Parse a list of blobs."""
    return ET.fromstring(document)  # noqa: S314 - written by the emulator


def test_a_container_is_listed_page_by_page(send: Send, blobs: BlobStore) -> None:
    """Names come sorted, a marker leads on, and a prefix need not end at a slash."""
    send("PUT", "/c", restype="container")
    for name in ("data/b", "data/a", "data2/c", "other"):
        blobs.write(f"c/{name}", b"12345")
    question = {"restype": "container", "comp": "list", "prefix": "data", "maxresults": "2"}
    first = listing(send("GET", "/c", **question))
    marker = str(first.findtext("NextMarker"))
    second = listing(send("GET", "/c", **question, marker=marker))
    assert [name.text for name in first.iter("Name")] == ["data/a", "data/b"]
    assert [name.text for name in second.iter("Name")] == ["data2/c"]
    assert second.findtext("NextMarker") == ""
    assert first.findtext(".//Content-Length") == "5"


def test_a_container_exists_once_it_is_made(send: Send) -> None:
    """Reading one that is not there fails, and so does making it twice."""
    with pytest.raises(Problem, match="does not exist"):
        send("GET", "/c", restype="container")
    with pytest.raises(Problem, match="does not exist"):
        send("GET", "/c/blob")
    send("PUT", "/c", restype="container")
    send("GET", "/c", restype="container")
    with pytest.raises(Problem, match="already exists"):
        send("PUT", "/c", restype="container")


def test_the_last_page_has_no_marker() -> None:
    """A page that just holds all names is the last one."""
    assert page_of(["a", "b"], "", 2) == (["a", "b"], "")
    assert page_of(["a", "b", "c"], "b", 1) == (["b"], "c")
