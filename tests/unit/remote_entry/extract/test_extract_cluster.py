"""Dask over ranks: calls, attendance, and who is not let in."""

import gc
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.ranks import PATIENCE, Worker, key_of, ranks

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.cluster import Cluster
from remote_entry.extract.workers.cluster_key import ClusterKey
from remote_entry.extract.workers.cluster_worker import security
from remote_entry.extract.workers.ranks import End, Rank


@pytest.fixture(scope="module")
def key() -> ClusterKey:
    """Return the ranks' key."""
    return key_of("the right one")


def listening() -> frozenset[int]:
    """Return the ports on which this process listens."""
    lines = psutil.Process().net_connections("tcp")
    return frozenset(line.laddr.port for line in lines if line.status == psutil.CONN_LISTEN)


def times(brought: int, tell: Callable[[Any], object], number: int) -> Exception | None:
    """Tell a product, or fail."""
    tell([number * brought, threading.get_ident()])
    return (
        ExtractError("no fives", kind="extract.five", hint="take others") if number == 5 else None
    )


@dataclass(frozen=True)
class Running:
    """Rank 0 and a worker, both in this process.

    Attributes:
        cluster: Rank 0's.
        port: Where it listens.
        before: The ports on which this process listened before.
    """

    cluster: Cluster
    port: int
    before: frozenset[int]

    def call(self, *numbers: int) -> list[Any]:
        """Multiply numbers; return what was heard."""
        heard: list[Any] = []
        self.cluster.call(times, [(number,) for number in numbers], heard.append)
        return sorted(heard)


@pytest.fixture(scope="module")
def running(key: ClusterKey) -> Iterator[Running]:
    """Run rank 0, and one worker until the end."""
    first, second = ranks()
    before = listening()
    worker = Worker(second, key)
    with Cluster(first, key, [1], print) as cluster:
        yield Running(cluster, first.port, before)
    assert worker.ended() == End(has_met=True, farewell="rank 0 has ended well")


def test_calls_are_made_and_heard(running: Running) -> None:
    """With what the worker's rank brought, and on one thread."""
    heard = running.call(0, 1, 2, 3)
    assert [product for product, _ in heard] == [0, 10, 20, 30]
    assert len({thread for _, thread in heard}) == 1


def test_an_error_comes_back_whole(running: tuple[Cluster, Rank]) -> None:
    """With its kind and hint, and the cluster goes on."""
    with pytest.raises(ExtractError, match="no fives") as caught:
        running.call(5)
    assert (caught.value.kind, caught.value.hint) == ("extract.five", "take others")
    assert running.call(6)


def test_a_rank_listens_on_tls_alone(running: Running, key: ClusterKey) -> None:
    """On a port for each of the two: none of a dashboard, or of anything else without the key."""
    assert running.call(1)  # the worker is there
    ports = listening() - running.before
    assert running.port in ports
    assert len(ports) == 2
    assert all(_is_answered(port, key) for port in ports)


@pytest.mark.parametrize("stranger", ["without TLS", "without a certificate", "with another key"])
def test_strangers_are_refused(running: Running, key: ClusterKey, stranger: str) -> None:
    """Rank 0 answers nothing to who does not have the key, and works on."""
    port = running.port
    if stranger == "without TLS":
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as line:
            line.sendall(bytes(64))
            assert not _read(line)
    else:
        assert not _is_answered(port, key_of("a wrong one") if "other" in stranger else None)
    assert running.call(1)


def test_a_rank_with_other_secrets_is_told_so() -> None:
    """At once, and on its side."""
    first, second = ranks(patience=0.5)
    heard: list[str] = []
    with Cluster(first, key_of("one"), [1], heard.append):
        error = Worker(second, key_of("another")).ended()
    assert isinstance(error, ExtractError)
    assert error.kind == "extract.cluster-refused"
    assert heard == ["warning: these ranks were not there in the end: 1"]


def test_rank_0_waits_only_so_long_for_workers(key: ClusterKey) -> None:
    """The error says where it waited."""
    first, _ = ranks(patience=0.4)
    with (
        pytest.raises(ExtractError, match=f"No other rank came to port {first.port}"),
        Cluster(first, key, [], print) as cluster,
    ):
        cluster.call(times, [(1,)], print)


def test_a_worker_waits_only_so_long_for_rank_0(key: ClusterKey) -> None:
    """Nobody came."""
    assert Worker(ranks()[1], key, patience=0.3).ended() == End(has_met=False)


def test_a_rank_that_comes_late_is_waited_for(key: ClusterKey) -> None:
    """Rank 0 had nothing to do: the others must not look for it in vain."""
    first, second = ranks()
    workers: list[Worker] = []
    with Cluster(first, key, [1], print):
        threading.Timer(0.3, lambda: workers.append(Worker(second, key))).start()
    assert workers[0].ended() == End(has_met=True, farewell="rank 0 has ended well")


def test_an_error_of_rank_0_waits_for_nobody(key: ClusterKey) -> None:
    """Who is there is told; rank 2 never comes."""
    first, second = ranks()
    worker = Worker(second, key)
    with (
        pytest.raises(ExtractError, match="no fives"),
        Cluster(first, key, [1, 2], print) as cluster,
    ):
        cluster.call(times, [(5,)], print)
    assert worker.ended() == End(has_met=True, farewell="rank 0 has ended with an error")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Dask forgets the socket that failed
def test_a_port_that_is_taken_is_an_error(key: ClusterKey) -> None:
    """It says which variable chooses another."""
    first, _ = ranks()
    with (
        socket.create_server(("127.0.0.1", first.port)),
        pytest.raises(ExtractError, match="REMOTE_ENTRY_CLUSTER_PORT"),
        Cluster(first, key, [1], print),
    ):
        pass
    gc.collect()


def test_no_key_reaches_a_disk(running: Running, key: ClusterKey) -> None:
    """Dask, which would put a key that it is given as text into a file, is given a memory file."""
    private = os.pread(key.descriptor, 10_000, 0).decode().split("-----")[2].strip()
    assert str(Path(key.path).readlink()).startswith("/memfd:")
    settings = security(key)
    for role in ("client", "scheduler", "worker"):
        assert settings.get_tls_config_for_role(role)["key"] == key.path
    assert private not in repr(settings)
    for opened in psutil.Process().open_files():
        assert private not in Path(opened.path).read_text(errors="replace")


def _is_answered(port: int, key: ClusterKey | None) -> bool:
    """Tell whether who listens on a port speaks Dask's protocol to the holder of a key."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if key is not None:
        context.load_cert_chain(key.path, key.path)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as line,
            context.wrap_socket(line) as secured,
        ):
            return bool(_read(secured))
    except ssl.SSLError:
        return False


def _read(line: socket.socket) -> bytes:
    """Return the first bytes that come; none if the line is closed."""
    try:
        return line.recv(16)
    except ConnectionResetError:
        return b""
