"""Dask over the ranks of a job: the scheduler on rank 0, a worker of one thread on each other one.

This module knows nothing of extracts: rank 0 has functions called with arguments, each on some
worker, and hears what they tell meanwhile. A worker that is gone has its call made again elsewhere.

Every connection is TLS with the cluster's key on both sides, and Dask's HTTP servers are left out:
the one port that a rank opens answers to nobody else.
"""

import asyncio
import contextlib
import logging
import queue
import socket
import ssl
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from distributed import (
    Client,
    Future,
    Scheduler,
    SpecCluster,
    Status,
    Worker,
    WorkerPlugin,
    get_worker,
)
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import KilledWorker
from distributed.security import Security

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.cluster_key import ClusterKey
from remote_entry.extract.workers.ranks import DEADLINE_VARIABLE, PORT_VARIABLE, End, Rank

_LOOK_SECONDS = 0.2
_ADMISSION_SECONDS = 10.0  # for a connection to rank 0, once it is there
_RETURN_SECONDS = 60.0  # in which a worker comes back, if all of them are gone
_FAREWELL = "farewell"
_DEATHS = 3  # of workers at one call, until it is their end

Tell = Callable[[Any], object]


class Cluster:
    """Rank 0's side, as a context manager: at its end the other ranks are let go.

    Args:
        rank: Rank 0's place.
        key: By which the ranks know each other.
        others: Which ranks come to work.
        say: Receives lines for the log.
    """

    def __init__(
        self, rank: Rank, key: ClusterKey, others: Sequence[int], say: Callable[[str], object]
    ) -> None:
        self._rank = rank
        self._security = _security(key)
        self._others = frozenset(others)
        self._say = say
        self._attendance = _Attendance()
        self._told: set[int] = set()
        self._stack = contextlib.ExitStack()
        self._began = self._last_seen = time.monotonic()

    def __enter__(self) -> "Cluster":  # noqa: PYI034 - Self is new in Python 3.11
        _only_warnings()
        options = {
            "host": _listens_on(self._rank.host),
            "port": self._rank.port,
            "protocol": "tls",
            "security": self._security,
            "dashboard": False,
            "plugins": [self._attendance],
            "allowed_failures": _DEATHS,
        }
        spec = {"cls": _Scheduler, "options": options}
        with contextlib.ExitStack() as stack:
            try:
                cluster = SpecCluster(scheduler=spec, workers={}, security=self._security)
            except (OSError, RuntimeError) as error:
                raise _no_port(self._rank, error) from None
            stack.enter_context(cluster)
            self._client = stack.enter_context(Client(cluster, set_as_default=False))
            # Now, as a subscription travels on another line than what makes the workers answer.
            self._client.subscribe_topic(_FAREWELL, lambda event: self._told.add(event[1]))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            self._let_go("has ended well" if error is None else "has ended with an error")

    def call(
        self,
        function: Callable[..., Exception | None],
        arguments: Sequence[tuple[Any, ...]],
        hear: Tell,
    ) -> None:
        """Have a function called with each of the arguments, one call at a time on each worker.

        Args:
            function: Of a module; gets what the worker's rank brought, a ``Tell``, and the
                arguments. An error is returned, not raised, so that Dask writes none into the log.
            arguments: Plain data.
            hear: Receives what the calls tell, in the caller's thread.

        Raises:
            Exception: The first error that a call returned; no other call is begun then.
            ExtractError: No worker is there, or a call was the end of too many.
        """
        heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        topic = uuid.uuid4().hex
        self._client.subscribe_topic(topic, lambda event: heard.put(event[1]))
        calls = [
            self._client.submit(
                _call, function, each, topic, key=f"call-{topic}-{number}", pure=False
            )
            for number, each in enumerate(arguments)
        ]
        for call in calls:
            call.add_done_callback(heard.put)
        left = len(calls)
        try:
            while left:
                self._require_workers()
                try:
                    said = heard.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                if not isinstance(said, Future):
                    hear(said)
                    continue
                _raise_error_of(said)
                left -= 1
        finally:
            self._client.cancel(calls)
            self._client.unsubscribe_topic(topic)

    def _require_workers(self) -> None:
        """Raise if it is too long since anybody was there."""
        now = time.monotonic()
        if self._attendance.present:
            self._last_seen = now
            return
        never = not self._attendance.seen
        if now - self._last_seen > (self._rank.patience if never else _RETURN_SECONDS):
            raise _nobody(self._rank, never=never)

    def _let_go(self, how: str) -> None:
        """Tell the ranks that it is over, those too that are still to come or to come back."""
        self._client.register_plugin(_Farewell(f"rank 0 {how}"))
        for_those_seen = time.monotonic() + _RETURN_SECONDS
        for_others = self._began + self._rank.patience
        while missing := self._others - self._told:
            until = for_those_seen if missing <= self._attendance.seen else for_others
            if time.monotonic() > until:
                ranks = ", ".join(map(str, sorted(missing)))
                self._say(f"warning: these ranks were not there in the end: {ranks}")
                return
            time.sleep(_LOOK_SECONDS)


def work(rank: Rank, key: ClusterKey, brought: Any, patience: float) -> End:
    """Be a worker until rank 0 says that it is over, or is gone.

    Args:
        rank: This process's place.
        key: By which the ranks know each other.
        brought: What the functions that are called get.
        patience: Seconds in which rank 0 must be there.

    Raises:
        ExtractError: Rank 0 has another key.
    """
    _only_warnings()
    security = _security(key)
    own_address = _find_rank_zero(rank, security, patience)
    if not own_address:
        return End(has_met=False)
    with tempfile.TemporaryDirectory(prefix="remote_entry-") as folder:
        return asyncio.run(_work(rank, security, brought, own_address, folder))


async def _work(rank: Rank, security: Security, brought: Any, own_address: str, folder: str) -> End:
    """Serve calls until the scheduler closes, or its connection breaks."""
    worker = _Worker(
        f"tls://{rank.host}:{rank.port}",
        host=own_address,
        nthreads=1,
        memory_limit=0,
        name=f"{rank.number}-{uuid.uuid4().hex}",  # see _rank_of
        security=security,
        local_directory=folder,
        dashboard=False,
        death_timeout=_ADMISSION_SECONDS,
    )
    worker.brought = brought
    try:
        await worker
    except Exception:  # noqa: BLE001 - Dask wraps whatever it was: rank 0 has gone again
        return End(has_met=False)
    # Worker.finished() would come only when the last call has ended, too.
    while worker.status in {Status.running, Status.paused}:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    return End(has_met=True, farewell=worker.farewell)


class _NoHttpServer:
    """Dask starts an HTTP server with its dashboard's routes, dashboard or not, without TLS."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""


class _Scheduler(_NoHttpServer, Scheduler):
    pass


class _Worker(_NoHttpServer, Worker):
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


class _Farewell(WorkerPlugin):
    """Is set up in every worker, in those too that come later."""

    name = _FAREWELL

    def __init__(self, text: str) -> None:
        self._text = text

    def setup(self, worker: Worker) -> None:
        """Note that it is over, and let rank 0 know."""
        assert isinstance(worker, _Worker)  # noqa: S101 - there are no others
        worker.farewell = self._text
        worker.log_event(_FAREWELL, _rank_of(str(worker.name)))


@dataclass
class _Attendance(SchedulerPlugin):
    """Knows who was there.

    Attributes:
        seen: The ranks that ever came.
        present: The workers that are here now.
    """

    seen: set[int] = field(default_factory=set)
    present: set[str] = field(default_factory=set)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note who comes."""
        self.seen.add(_rank_of(str(scheduler.workers[worker].name)))
        self.present.add(worker)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:  # noqa: ARG002
        """Note who is gone."""
        self.present.discard(worker)


def _rank_of(name: str) -> int:
    """Return a worker's rank; those of one rank, one after the other, have different names."""
    return int(name.partition("-")[0])


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], topic: str) -> Any:
    """Call a function on a worker."""
    worker = get_worker()
    assert isinstance(worker, _Worker)  # noqa: S101 - there are no others
    return function(worker.brought, lambda said: worker.log_event(topic, said), *arguments)


def _raise_error_of(call: Future[Any]) -> None:
    try:
        error = call.result()
    except KilledWorker:
        raise ExtractError(
            f"A partition was the end of {_DEATHS + 1} workers",
            kind="extract.workers-gone",
            hint="if memory was short, take more partitions or larger nodes; run again: what was "
            "committed stays",
        ) from None
    if error is not None:
        raise error


def _security(key: ClusterKey) -> Security:
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=key.certificate,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **{f"tls_{role}_cert": key.path for role in roles},
        **{f"tls_{role}_key": key.path for role in roles},
    )


def _only_warnings() -> None:
    """Keep Dask's news of itself out of the log."""
    for name in ("distributed", "distributed.client", "distributed.scheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _listens_on(host: str) -> str | None:
    """Return this machine's loopback address if all ranks are on it.

    Else None for every interface: many machines know themselves by a loopback address, and where
    the others' packets arrive is theirs to say.
    """
    return host if host == "localhost" or host.startswith("127.") else None


def _find_rank_zero(rank: Rank, security: Security, patience: float) -> str:
    """Wait for rank 0; return by which address this machine reaches it, empty for not at all.

    Dask would try ten times a second, whatever the cause.
    """
    deadline = time.monotonic() + patience
    context = security.get_connection_args("worker")["ssl_context"]
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


def _no_port(rank: Rank, error: Exception) -> ExtractError:
    return ExtractError(
        f"Rank 0 cannot listen on port {rank.port} of {rank.host}: {error}",
        kind="extract.cluster-port",
        hint=f"set {PORT_VARIABLE} in the job file to a port that is free on rank 0's node",
    )


def _nobody(rank: Rank, *, never: bool) -> ExtractError:
    if never:
        return ExtractError(
            f"No other rank came to port {rank.port} of {rank.host} within {rank.patience:.0f} s",
            kind="extract.workers-absent",
            hint="look into the other processes' logs; if their nodes were late, set "
            f"{DEADLINE_VARIABLE} to more seconds",
        )
    return ExtractError(
        f"All workers are gone, and none has come back within {_RETURN_SECONDS:.0f} s",
        kind="extract.workers-gone",
        hint="look into the other processes' logs; run again: what was committed stays",
    )


def _not_admitted(rank: Rank) -> ExtractError:
    return ExtractError(
        f"{rank} and what listens on port {rank.port} of {rank.host} do not have the same secrets",
        kind="extract.cluster-refused",
        hint="was a secret rotated while the ranks started? Then run again. If another program "
        f"listens there, set {PORT_VARIABLE}",
    )
