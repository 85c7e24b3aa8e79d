"""Partitions on the other ranks of a job: rank 0 plans, verifies and commits, the others read.

What travels is the spec, the attempt's folder and a partition's number: no secret, and no row.
Each rank signs in and connects by itself, and writes where all of them see it.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import Attempt
from remote_entry.extract.server.source import Source
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import portable, read_in_worker
from remote_entry.extract.workers.cluster_key import ClusterKey
from remote_entry.extract.workers.rank_process import serve_rank_zero
from remote_entry.extract.workers.ranks import End, Rank
from remote_entry.resolve import package_missing

SETTLING_SECONDS = 75.0  # an NFS client may keep a list of names for 60 s (nfs(5), acdirmax)
_TELL_SECONDS = 0.25
_LOOK_SECONDS = 1.0

Tell = Callable[[Any], object]


class OnRanks:
    """Rank 0's side, as a context manager: at its end the other ranks are let go.

    Args:
        rank: Rank 0's place.
        key: By which the ranks know each other.
        connections: How many of the others read.
        say: Receives lines for the log.
        settling: Seconds until what another rank has written must be seen on this one.

    Raises:
        SettingsError: Dask is not installed.
    """

    def __init__(
        self,
        rank: Rank,
        key: ClusterKey,
        connections: int,
        say: Callable[[str], object],
        settling: float = SETTLING_SECONDS,
    ) -> None:
        self._settling = settling
        readers = range(1, min(rank.size, connections + 1))
        self._cluster = _dask("cluster").Cluster(rank, key, readers, say)
        if len(readers) < connections:
            say(
                f"{len(readers)} of {connections} connections are used: one for each process of "
                "the job but the first"
            )

    def __enter__(self) -> "OnRanks":  # noqa: PYI034 - Self is new in Python 3.11
        self._cluster.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cluster.__exit__(kind, error, traceback)

    def read(self, spec: Spec, attempt: Attempt, numbers: Sequence[int], watch: Watch) -> None:
        """Read partitions, one at a time on each rank.

        Raises:
            RemoteEntryError: The first failure that does not pass, or nobody is there to read.
            OSError: What is landed in cannot be written.
        """
        plain = spec.model_dump(mode="json", by_alias=True)

        def hear(said: Any) -> None:
            if isinstance(said, str):
                watch.warn(said)
            else:
                watch.note(*said)

        self._cluster.call(_read, [(plain, attempt.folder, number) for number in numbers], hear)
        self._await_parts(spec, attempt, numbers)

    def _await_parts(self, spec: Spec, attempt: Attempt, numbers: Sequence[int]) -> None:
        """Look whether all that was committed is seen here, too."""
        deadline = time.monotonic() + self._settling
        while set(numbers) - {part.partition for part in attempt.parts() if part.is_last}:
            if time.monotonic() > deadline:
                raise _not_shared(spec)
            time.sleep(_LOOK_SECONDS)


def read_for_rank_zero(
    rank: Rank,
    sign_in: Callable[[], tuple[ClusterKey, Callable[[], Source]]],
    say: Callable[[str], object],
) -> int:
    """Read what rank 0 asks for, until it has ended.

    Args:
        rank: This process's place.
        sign_in: Returns the key by which the ranks know each other, and what connects to the
            server.
        say: Receives lines for the log.

    Returns:
        The exit code.

    Raises:
        RemoteEntryError: Rank 0 is not there, there is no access, or Dask is not installed.
    """

    def serve(patience: float, admitted: Callable[[], object]) -> End:
        dask = _dask("cluster_worker")
        key, open_source = sign_in()
        end: End = dask.work(rank, key, Brought(rank, open_source, say), patience, admitted)
        return end

    say(f"{rank} reads for rank 0 at port {rank.port} of {rank.host}")
    return serve_rank_zero(rank, serve, say)


@dataclass
class Brought:
    """What a rank brings for its partitions.

    Attributes:
        rank: Its place.
        open_source: Connects to the server.
        say: Receives lines for the log.
        source: The server, once it was asked for.
    """

    rank: Rank
    open_source: Callable[[], Source]
    say: Callable[[str], object]
    source: Source | None = None


def _read(brought: Brought, tell: Tell, plain: Any, folder: str, number: int) -> Exception | None:
    """Read one partition, on its rank.

    Returns:
        What it failed with.
    """
    counts = _Counts(tell)
    watch = Watch(begin=lambda *_: None, note=counts.note, warn=tell)
    try:
        spec = Spec.model_validate(plain)
        brought.source = brought.source or brought.open_source()
        brought.say(f"{brought.rank} reads partition {number} of {folder}")
        read_in_worker(spec, brought.source, folder, number, watch)
    except Exception as error:  # noqa: BLE001 - rank 0 raises it
        return portable(error)
    finally:
        counts.flush()
    return None


@dataclass
class _Counts:
    """Rows, bytes and parts that rank 0 does not know of yet."""

    tell: Tell
    held: list[int] = field(default_factory=lambda: [0, 0, 0])
    told: float = field(default_factory=time.monotonic)

    def note(self, rows: int, size: int, parts: int) -> None:
        """Count; tell now and then."""
        self.held = [a + b for a, b in zip(self.held, (rows, size, parts), strict=True)]
        if time.monotonic() - self.told >= _TELL_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Tell what is held."""
        self.told = time.monotonic()
        self.tell(self.held)
        self.held = [0, 0, 0]


def _dask(module: str) -> Any:
    """Return one of the modules that need Dask."""
    try:
        return importlib.import_module(f"remote_entry.extract.workers.{module}")
    except ImportError as error:
        purpose = "extract on several processes"
        raise package_missing(error, purpose=purpose, packages="distributed") from None


def _not_shared(spec: Spec) -> ExtractError:
    return ExtractError(
        f"What one rank has written in {spec.folder}, another does not see",
        kind="extract.not-shared",
        hint="'to' must be a store that all nodes share, such as abfss://…",
    )
