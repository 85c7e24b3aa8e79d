"""``python -m remote_entry extract SPEC.yml``: secrets, server, extract, receipt."""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from pathlib import Path

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
from remote_entry.extract.source import SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import Workers
from remote_entry.extract.workers.processes import Processes
from remote_entry.library import Access, find_access, open_run_database


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
    began, clock = datetime.now(timezone.utc), time.monotonic()
    access = find_access(environ)
    progress = Progress()
    watch = Watch(progress.begin, progress.note, progress.warn)
    with _workers(spec, access) as workers:  # before anything is connected
        database = open_run_database(access, setup=spec.session_setup)
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


def _workers(spec: Spec, access: Access) -> AbstractContextManager[Workers | None]:
    """Return who reads: processes, if there is more than one partition to read at a time."""
    if spec.partition is None or spec.partition.connections == 1 or spec.partition.parts == 1:
        return nullcontext()
    return Processes(
        spec.partition.connections,
        lambda: SqlServer(open_run_database(access, setup=spec.session_setup)),
    )


def _summary(spec: Spec, outcome: Outcome) -> str:
    if not outcome.landed:
        return f"{spec.name}: nothing new"
    parts = sum(landed.parts for landed in outcome.landed)
    last = outcome.landed[-1].entry
    return (
        f"{spec.name}: {outcome.rows:,} rows in {parts} parts, up to entry {last.number} of "
        f"version {last.version}"
    )
