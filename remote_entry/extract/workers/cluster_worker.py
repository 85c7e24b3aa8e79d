"""Dask over the ranks of a job, on the other ranks: a worker of one thread, let go by rank 0."""

import asyncio
import logging
import queue
import socket
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from distributed import Status, Worker, WorkerPlugin, get_worker
from distributed.security import Security

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.cluster_key import ClusterKey
from remote_entry.extract.workers.ranks import PORT_VARIABLE, End, Rank

FAREWELL = "farewell"

_LOOK_SECONDS = 0.2
_ADMISSION_SECONDS = 30.0  # for a connection to rank 0, once it is there

_log = logging.getLogger("remote_entry")

Tell = Callable[[Any], object]


def work(
    rank: Rank,
    key: ClusterKey,
    brought: Any,
    patience: float,
    admitted: Callable[[], object] = lambda: None,
) -> End:
    """Be a worker until rank 0 says that it is over, or is gone.

    Args:
        rank: This process's place.
        key: By which the ranks know each other.
        brought: What the functions that are called get.
        patience: Seconds in which rank 0 must be there.
        admitted: Called when it was.

    Raises:
        ExtractError: Rank 0 has another key.
    """
    only_warnings()
    tls = security(key)
    own_address = _find_rank_zero(rank, tls, patience)
    if not own_address:
        return End(has_met=False)
    admitted()
    ends: queue.SimpleQueue[End] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="remote_entry-", ignore_cleanup_errors=True) as folder:

        def serve() -> None:
            try:
                asyncio.run(_serve(rank, tls, brought, own_address, folder, ends.put))
            finally:
                ends.put(End(has_met=True))  # unless there was one

        # In a thread, as how long Dask takes to close is nothing to wait for.
        threading.Thread(target=serve, daemon=True).start()
        return ends.get()


async def _serve(
    rank: Rank,
    tls: Security,
    brought: Any,
    own_address: str,
    folder: str,
    note_end: Callable[[End], object],
) -> None:
    """Serve calls until the scheduler closes, or its connection breaks."""
    worker = _Worker(
        f"tls://{rank.host}:{rank.port}",
        host=own_address,
        nthreads=1,
        memory_limit=0,
        name=f"{rank.number}-{uuid.uuid4().hex}",  # see rank_of
        security=tls,
        local_directory=folder,
        dashboard=False,
        death_timeout=_ADMISSION_SECONDS,
    )
    worker.brought = brought
    try:
        await worker
        # Worker.finished() would come only when the last call has ended, too.
        while worker.status in {Status.running, Status.paused}:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
    except Exception as error:  # noqa: BLE001 - Dask wraps whatever it was
        _log.warning("rank 0 was there, and has gone again (%s)", type(error).__name__)
    note_end(End(has_met=True, farewell=worker.farewell))
    await worker.finished()  # type: ignore[no-untyped-call]


def _find_rank_zero(rank: Rank, tls: Security, patience: float) -> str:
    """Wait for rank 0; return by which address this machine reaches it, empty for not at all.

    Dask would try ten times a second, whatever the cause.
    """
    deadline = time.monotonic() + patience
    context = tls.get_connection_args("worker")["ssl_context"]
    while True:
        try:
            with (
                socket.create_connection(
                    (rank.host, rank.port), timeout=_ADMISSION_SECONDS
                ) as line,
                context.wrap_socket(line) as secured,
            ):
                own: str = secured.getsockname()[0]
                return own
        except ssl.SSLCertVerificationError:
            raise _not_admitted(rank) from None
        except OSError:
            if time.monotonic() > deadline:
                return ""
            time.sleep(_LOOK_SECONDS)


def call_in_worker(function: Callable[..., Any], arguments: tuple[Any, ...], topic: str) -> Any:
    """Call a function on a worker."""
    worker = get_worker()
    assert isinstance(worker, _Worker)  # noqa: S101 - there are no others
    return function(worker.brought, lambda said: worker.log_event(topic, said), *arguments)


class NoHttpServer:
    """Dask starts an HTTP server with its dashboard's routes, dashboard or not, without TLS."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""


class _Worker(NoHttpServer, Worker):
    """A worker with what its rank brought.

    Attributes:
        brought: For the functions that are called.
        farewell: What rank 0 said in the end.
    """

    brought: Any = None
    farewell: str = ""

    async def close(self, *, reason: str = "worker-close", **_: Any) -> str | None:  # type: ignore[override]
        """Close without waiting for a call that goes on: its process ends anyway."""
        return await super().close(executor_wait=False, reason=reason)


class Farewell(WorkerPlugin):
    """Is set up in every worker, in those too that come later."""

    name = FAREWELL

    def __init__(self, text: str) -> None:
        self._text = text

    def setup(self, worker: Worker) -> None:
        """Note that it is over, and let rank 0 know."""
        assert isinstance(worker, _Worker)  # noqa: S101 - there are no others
        worker.farewell = self._text
        worker.log_event(FAREWELL, rank_of(str(worker.name)))


def rank_of(name: str) -> int:
    """Return a worker's rank; those of one rank, one after the other, have different names."""
    return int(name.partition("-")[0])


def security(key: ClusterKey) -> Security:
    """Return what makes every connection TLS, with the key on both sides."""
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=key.certificate,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **{f"tls_{role}_cert": key.path for role in roles},
        **{f"tls_{role}_key": key.path for role in roles},
    )


def only_warnings() -> None:
    """Keep Dask's news of itself out of the log."""
    for name in ("distributed", "distributed.client", "distributed.scheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _not_admitted(rank: Rank) -> ExtractError:
    return ExtractError(
        f"{rank} and what listens on port {rank.port} of {rank.host} do not have the same secrets",
        kind="extract.cluster-refused",
        hint="was a secret rotated while the ranks started? Then run again. If another program "
        f"listens there, set {PORT_VARIABLE}",
    )
