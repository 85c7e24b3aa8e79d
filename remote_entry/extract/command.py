"""``python -m remote_entry extract SPEC.yml``: secrets, server, extract, receipt."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path

from remote_entry.deadline import let_interrupt
from remote_entry.extract.progress import Progress
from remote_entry.extract.receipt import (
    RECEIPTS,
    Circumstances,
    driver_of,
    git_commit,
    log_metrics,
    receipt,
    secrets_of,
    write_receipt,
)
from remote_entry.extract.run import Bounds, Outcome, extract
from remote_entry.extract.server.source import Source, SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import Workers
from remote_entry.extract.workers.cluster_key import ClusterKey, derive_key
from remote_entry.extract.workers.on_ranks import OnRanks, read_for_rank_zero
from remote_entry.extract.workers.processes import Processes
from remote_entry.extract.workers.ranks import Rank, find_rank
from remote_entry.library import Access, find_access, open_run_database
from remote_entry.termination import Terminated, terminable


def extract_file(file: Path, bounds: Bounds | None, environ: Mapping[str, str]) -> int:
    """Carry an extract out, and write its receipt.

    Args:
        file: The spec.
        bounds: The range to land in place of what is new.
        environ: Variables as the run sees them, such as ``os.environ``.

    Returns:
        0, the exit code.

    Raises:
        RemoteEntryError: A subclass says what stopped it.
    """
    spec = Spec.from_file(file)  # what is wrong with it shows before anybody is asked
    rank = find_rank(environ)
    if rank is not None and rank.number > 0:
        return _follow(rank, spec, environ)
    began, clock = datetime.now(timezone.utc), time.monotonic()
    progress = Progress()
    watch = Watch(progress.begin, progress.note, progress.warn)
    connections = _connections(spec)
    workers: Workers | None = None
    with ExitStack() as stack:
        stack.enter_context(terminable())
        stack.enter_context(_telling(progress))
        if connections > 1 and rank is None:  # forked before anybody signs in
            processes = Processes(connections, lambda: _connect(spec, find_access(environ)))
            workers = stack.enter_context(processes)
        access = let_interrupt(lambda: find_access(environ))
        if connections > 1 and rank is not None:
            ranks = OnRanks(rank, derive_key(access.bundle, rank.job), connections, progress.say)
            workers = stack.enter_context(ranks)
        database = let_interrupt(lambda: open_run_database(access, setup=spec.session_setup))
        outcome = extract(spec, SqlServer(database), watch, workers=workers, bounds=bounds)
    around = Circumstances(
        secrets=secrets_of(access.bundle),
        # With SQL_SERVER_FROM_WORKSPACE the name itself comes from a vault.
        server=database.connector.masker.mask_text(database.connector.server),
        driver=driver_of(database.connector.connection_string),
        began=began.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 3),
        run_id=environ.get("AZUREML_RUN_ID", ""),
        git_commit=git_commit(environ),
    )
    document = receipt(spec, outcome, around)
    path = write_receipt(document, spec, RECEIPTS)
    log_metrics(document, environ)
    sys.stdout.write(f"{_summary(spec, outcome)}; receipt {path}\n")
    sys.stdout.flush()
    return 0


@contextmanager
def _telling(progress: Progress) -> Iterator[None]:
    """Show among the progress what is logged meanwhile, such as waits for a server; and a stop."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: progress.warn(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("remote_entry")
    log.addHandler(handler)
    try:
        yield
    except KeyboardInterrupt as stop:
        by = " by SIGTERM" if isinstance(stop, Terminated) else ""
        progress.say(
            f"Stopped{by}. What was committed stays, readers see whole windows only: run again to "
            "go on"
        )
        raise
    finally:
        progress.clear()
        log.removeHandler(handler)


def _follow(rank: Rank, spec: Spec, environ: Mapping[str, str]) -> int:
    """Read for rank 0, if it wants so many; return the exit code."""
    connections, say = _connections(spec), Progress().say
    if connections == 1 or rank.number > connections:
        who = "rank 0 alone reads" if connections == 1 else f"ranks 1 to {connections} read"
        say(f"{rank} has nothing to do: {who}, by the spec's partition")
        return 0

    def sign_in() -> tuple[ClusterKey, Callable[[], Source]]:
        access = find_access(environ)
        return derive_key(access.bundle, rank.job), lambda: _connect(spec, access)

    return read_for_rank_zero(rank, sign_in, say)


def _connections(spec: Spec) -> int:
    """Return how many read at the same time, at most."""
    if spec.partition is None or spec.partition.parts == 1:
        return 1
    return spec.partition.connections


def _connect(spec: Spec, access: Access) -> SqlServer:
    """Return the way of one that reads: no connection waits beside the one that it reads over."""
    source = SqlServer(open_run_database(access, setup=spec.session_setup))
    source.release()
    return source


def _summary(spec: Spec, outcome: Outcome) -> str:
    if not outcome.landed:
        return f"{spec.name}: nothing new"
    parts = sum(landed.parts for landed in outcome.landed)
    last = outcome.landed[-1].entry
    files = "1 part" if parts == 1 else f"{parts} parts"
    return (
        f"{spec.name}: {outcome.rows:,} rows in {files}, up to entry {last.number} of "
        f"version {last.version}"
    )
