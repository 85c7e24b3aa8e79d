"""Reading behind signed addresses: from an offset on, and no address in any error."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from submitter.backends.azureml_core.signed_files import SignedFiles
from submitter.backends.base import BusyError, ExpiredAddressError, FileChangedError
from submitter.errors import NotFoundError, ServiceError


class Storage(http.server.BaseHTTPRequestHandler):
    """A storage that answers as its path says."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status = int(path.strip("/"))
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "99" if query == "cut" else "10")
        if status == 206:
            self.send_header("Content-Range", "bytes 4-13/14")
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """Serve the storage on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_log_that_is_not_there_yet_is_empty(storage: str) -> None:
    """404 before the first byte, 416 after the last."""
    assert SignedFiles().read(f"{storage}/404?sig=s", 0) == b""
    assert SignedFiles().read(f"{storage}/416?sig=s", 10) == b""


def test_a_proxy_that_ignores_ranges_repeats_nothing(storage: str) -> None:
    """It answers 200 with the whole; only the rest is new."""
    assert SignedFiles().read(f"{storage}/200?sig=s", 4) == b"456789"
    assert SignedFiles().read(f"{storage}/206?sig=s", 4) == b"0123456789"


@pytest.mark.parametrize(
    "address", ["{storage}/403?sig=opens-the-blob", "http://127.0.0.1:1/?sig=opens-the-blob"]
)
def test_no_error_quotes_the_signed_address(storage: str, address: str) -> None:
    """Whoever has it can read the blob."""
    with pytest.raises(ServiceError) as caught:
        SignedFiles().read(address.format(storage=storage), 0)
    assert "opens-the-blob" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_a_status_means(storage: str) -> None:
    """An address out of date, a busy storage, a file that is gone, one with another content."""
    files = SignedFiles()
    for status, error in ((403, ExpiredAddressError), (401, ExpiredAddressError), (503, BusyError)):
        with pytest.raises(error):
            files.read(f"{storage}/{status}?sig=s", 0)
    for status, error in ((404, NotFoundError), (412, FileChangedError), (400, ServiceError)):
        with pytest.raises(error):
            files.open(f"{storage}/{status}?sig=s")


def test_a_busy_storage_says_how_long(storage: str) -> None:
    """In seconds, or not at all."""
    for status, seconds in ((429, 7.0), (500, None)):
        with pytest.raises(BusyError) as caught:
            SignedFiles().read(f"{storage}/{status}?sig=s", 0)
        assert caught.value.seconds == seconds


def test_a_file_is_read_from_an_offset_on(storage: str) -> None:
    """Even through a proxy that ignores ranges, which sends the whole."""
    for status, size in ((200, 10), (206, 14)):
        stream = SignedFiles().open(f"{storage}/{status}?sig=s", offset=4)
        expected = b"456789" if status == 200 else b"0123456789"
        assert b"".join(stream.pieces()) == expected
        assert (stream.size, stream.etag) == (size, '"1"')


def test_a_body_that_is_cut_is_an_error(storage: str) -> None:
    """Never a short file that looks whole."""
    with pytest.raises(ServiceError, match="did not answer"):
        SignedFiles().read(f"{storage}/206?cut", 0)
    with pytest.raises(ServiceError, match="was cut"):
        b"".join(SignedFiles().open(f"{storage}/200?cut").pieces())
