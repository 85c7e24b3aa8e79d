"""Dask over the ranks of a job, on rank 0: the scheduler, and who calls.

This knows nothing of extracts: functions are called with arguments, each on some worker, and what
they tell meanwhile is heard. A worker that is gone has its call made again elsewhere.

Every connection is TLS with the cluster's key on both sides, and Dask's HTTP servers are left out:
the one port that a rank opens answers to nobody else.
"""

import contextlib
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from distributed import Client, Future, Scheduler, SpecCluster
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import KilledWorker

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.cluster_key import ClusterKey
from remote_entry.extract.workers.cluster_worker import (
    FAREWELL,
    Farewell,
    NoHttpServer,
    Tell,
    call_in_worker,
    only_warnings,
    rank_of,
    security,
)
from remote_entry.extract.workers.ranks import DEADLINE_VARIABLE, PORT_VARIABLE, Rank

_LOOK_SECONDS = 0.2
_RETURN_SECONDS = 60.0  # in which a worker comes back, if all of them are gone
_DEATHS = 3  # of workers at one call, until it is their end


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
        self._security = security(key)
        self._others = frozenset(others)
        self._say = say
        self._attendance = _Attendance()
        self._told: set[int] = set()
        self._stack = contextlib.ExitStack()
        self._began = self._last_seen = time.monotonic()

    def __enter__(self) -> "Cluster":  # noqa: PYI034 - Self is new in Python 3.11
        only_warnings()
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
            self._client.subscribe_topic(FAREWELL, lambda event: self._told.add(event[1]))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if error is None:
                self._let_go("has ended well", self._others)
            else:  # the job fails as it is: nobody waits for those who are not here
                present = frozenset(self._attendance.present.values())
                self._let_go("has ended with an error", present)

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
                call_in_worker, function, each, topic, key=f"call-{topic}-{number}", pure=False
            )
            for number, each in enumerate(arguments)
        ]
        for call in calls:
            call.add_done_callback(heard.put)
        left = len(calls)
        if self._attendance.seen:  # how long it took to plan is nobody's absence
            self._last_seen = time.monotonic()
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

    def _let_go(self, how: str, whom: frozenset[int]) -> None:
        """Tell ranks that it is over, those too that are still to come or to come back."""
        self._client.register_plugin(Farewell(f"rank 0 {how}"))
        for_those_seen = time.monotonic() + _RETURN_SECONDS
        for_others = self._began + self._rank.patience
        while missing := whom - self._told:
            until = for_those_seen if missing <= self._attendance.seen else for_others
            if time.monotonic() > until:
                ranks = ", ".join(map(str, sorted(missing)))
                self._say(f"warning: these ranks were not there in the end: {ranks}")
                return
            time.sleep(_LOOK_SECONDS)


class _Scheduler(NoHttpServer, Scheduler):
    pass


@dataclass
class _Attendance(SchedulerPlugin):
    """Knows who was there.

    Attributes:
        seen: The ranks that ever came.
        present: The workers that are here now, and their ranks.
    """

    seen: set[int] = field(default_factory=set)
    present: dict[str, int] = field(default_factory=dict)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note who comes."""
        self.present[worker] = rank_of(str(scheduler.workers[worker].name))
        self.seen.add(self.present[worker])

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:  # noqa: ARG002
        """Note who is gone."""
        self.present.pop(worker, None)


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


def _listens_on(host: str) -> str | None:
    """Return this machine's loopback address if all ranks are on it.

    Else None for every interface: many machines know themselves by a loopback address, and where
    the others' packets arrive is theirs to say.
    """
    return host if host == "localhost" or host.startswith("127.") else None


def _no_port(rank: Rank, error: BaseException) -> ExtractError:
    while error.__cause__ is not None:  # Dask says last what it met first
        error = error.__cause__
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
