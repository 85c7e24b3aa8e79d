"""The server and its gateway, over real sockets on loopback."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.responses import Response

from submitter.emulator.application import Application
from submitter.emulator.certificates import Certificates
from submitter.emulator.faults import Faults
from submitter.emulator.journal import Journal
from submitter.emulator.server import Server
from submitter.emulator.service import Call, Route, Service


def upper(call: Call) -> Response:
    """Answer with the body in capitals."""
    return Response(call.body.upper())


@pytest.fixture
def journal() -> Journal:
    """Make an empty journal."""
    return Journal()


@pytest.fixture
def faults() -> Faults:
    """Make an empty set of rules."""
    return Faults()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Say where the authority's certificate is written."""
    return tmp_path / "ca.pem"


@pytest.fixture
def server(journal: Journal, faults: Faults, authority: Path) -> Iterator[Server]:
    """Run a server that plays one host."""
    certificates = Certificates()
    certificates.write_authority(authority)
    service = Service("echo", "*.played.example", (Route("POST", "/", upper),))
    context = certificates.server_context(["*.played.example"])
    running = Server(context, journal.egress)
    running.start(Application([service], faults, journal), service.plays)
    yield running
    running.stop()


def connect(
    server: Server, authority: Path, host: str = "a.played.example"
) -> http.client.HTTPSConnection:
    """Open a connection to a host through the gateway."""
    address = urlsplit(server.proxy_url)
    context = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection(
        str(address.hostname), address.port, context=context, timeout=30
    )
    connection.set_tunnel(host, 443)
    return connection


def test_a_played_host_is_reached_under_its_own_name(server: Server, authority: Path) -> None:
    """TLS ends at the emulator with a certificate for the name; big bodies arrive whole."""
    connection = connect(server, authority)
    body = b"abc" * 1_000_000
    connection.request("POST", "/", body)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, body.upper())
    connection.close()


def test_one_connection_serves_many_requests(server: Server, authority: Path) -> None:
    """Keep-alive works through the gateway."""
    connection = connect(server, authority)
    for number in range(20):
        connection.request("POST", "/", f"body {number}")
        assert connection.getresponse().read() == f"BODY {number}".encode()
    connection.close()


def test_a_host_that_is_not_played_is_refused_and_noted(
    server: Server, authority: Path, journal: Journal
) -> None:
    """Nothing leaves the machine unseen."""
    with pytest.raises(OSError, match="403"):
        connect(server, authority, "elsewhere.example").connect()
    (line,) = journal.egress
    assert line.endswith("refused CONNECT elsewhere.example:443")


def test_a_plain_request_is_refused_without_its_query(server: Server, journal: Journal) -> None:
    """Plain HTTP through the proxy goes nowhere, and its query is not written down."""
    address = urlsplit(server.proxy_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", "http://elsewhere.example/x?token=canary-value")
    assert connection.getresponse().status == 403
    connection.close()
    assert "http://elsewhere.example" in journal.egress[0]
    assert "canary-value" not in journal.egress[0]


def test_a_dropped_request_gets_no_answer(server: Server, authority: Path, faults: Faults) -> None:
    """The client sees the connection end, not a status."""
    faults.add(drop=True)
    connection = connect(server, authority)
    connection.request("POST", "/", b"x")
    with pytest.raises((ConnectionError, ssl.SSLError, http.client.BadStatusLine)):
        connection.getresponse()
    connection.close()


def test_a_request_whose_answer_is_lost_is_carried_out(
    server: Server, authority: Path, faults: Faults, journal: Journal
) -> None:
    """The client cannot tell it from one that was dropped."""
    faults.add(lose_answer=True)
    connection = connect(server, authority)
    connection.request("POST", "/", b"x")
    with pytest.raises((ConnectionError, ssl.SSLError, http.client.BadStatusLine)):
        connection.getresponse()
    connection.close()
    assert [each.status for each in journal.requests] == [200]


def test_stop_cuts_a_request_that_waits(server: Server, authority: Path, faults: Faults) -> None:
    """A server with a silent request ends at once, and so does its client."""
    taken = threading.Event()

    class Silence(float):
        """A delay of an hour that tells when it begins."""

        def __le__(self, other: float) -> bool:
            taken.set()
            return float(self) <= other

    faults.add(delay=Silence(3600), status=None)
    connection = connect(server, authority)
    connection.request("POST", "/", b"x")
    assert taken.wait(30)
    server.stop()
    with pytest.raises((ConnectionError, ssl.SSLError, http.client.BadStatusLine)):
        connection.getresponse()
    connection.close()


def test_only_loopback_is_bound(server: Server) -> None:
    """The gateway is reachable from this machine alone."""
    assert urlsplit(server.proxy_url).hostname == "127.0.0.1"
