"""What an extract did, for whoever has to believe it: one JSON file in the run's outputs."""

import contextlib
import sys
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.run import Landed, Outcome
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.store import as_json
from remote_entry.flush import FLUSH_SECONDS
from remote_entry.settings.references import SecretReference
from remote_entry.supervision.handover import Bundle
from remote_entry.version import __version__

RECEIPTS = Path("outputs") / "extract"  # Azure ML keeps what is in outputs/
_FORMAT = 1


@dataclass(frozen=True)
class Circumstances:
    """Under what a run took place.

    Attributes:
        secrets: Name and version of each secret that was used, by its variable; never a value.
        server: The SQL Server.
        driver: The ODBC driver.
        began: When, in UTC, by this machine's clock.
        seconds: How long it took.
        run_id: Azure ML's; empty elsewhere.
        git_commit: Of the code that was submitted; None if nobody knows.
    """

    secrets: Mapping[str, Mapping[str, str | None]]
    server: str
    driver: str
    began: str
    seconds: float
    run_id: str
    git_commit: str | None


def receipt(spec: Spec, outcome: Outcome, around: Circumstances) -> dict[str, Any]:
    """Return the receipt of a run."""
    return {
        "format": _FORMAT,
        "name": spec.name,
        "folder": str(spec.folder.absolute()),
        "query_sha256_16": spec.query_hash,
        "spec_sha256_16": spec.content_hash,
        "isolation": spec.isolation,
        "cursor": str(spec.cursor_key) if spec.cursor_key else None,
        "partition": spec.partition.model_dump() if spec.partition else None,
        "rows": outcome.rows,
        "rows_without_cursor": outcome.without_cursor,
        "rows_too_late_for_the_window_before": outcome.late,
        "windows": [_window(landed) for landed in outcome.landed],
        "columns": [asdict(column) for column in outcome.columns],
        **asdict(around),
        "remote_entry": __version__,
    }


def write_receipt(document: Mapping[str, Any], spec: Spec, folder: Path) -> Path:
    """Write a receipt; a later one of the same run and window replaces it.

    Args:
        document: The receipt.
        spec: The extract.
        folder: Where to; made if there is none.

    Returns:
        The file. The last window's number is in its name, so an array's receipts sort.

    Raises:
        ExtractError: It cannot be written.
    """
    numbers = [window["entry"] for window in document["windows"]]
    last = f"{numbers[-1]:08d}" if numbers else "nothing-new"
    run_id = document["run_id"] or uuid.uuid4().hex[:12]
    path = folder / f"{spec.name}-{last}-{run_id}.json"
    draft = path.with_suffix(".draft")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(as_json(document))
        draft.replace(path)
    except OSError as error:
        raise ExtractError(
            f"The receipt cannot be written to {folder.absolute()}: {error.strerror}. What is new "
            f"is landed: {document['rows']} rows",
            kind="extract.receipt",
            hint="make room or correct the folder; the data set's manifests say what was landed",
        ) from None
    return path


def secrets_of(bundle: Bundle) -> dict[str, dict[str, str | None]]:
    """Return which secrets were used, by variable: names and versions alone.

    A name that was read from the workspace's vault is a secret itself, so where it was read from
    stands for it.
    """
    used: dict[str, dict[str, str | None]] = {}
    for secret in (*bundle.secrets, *bundle.workspace):
        reference = secret.reference
        holder = reference.name_held_by if isinstance(reference, SecretReference) else None
        name = {"name_held_by": holder} if holder else {"name": reference.name}
        used[reference.variable] = {**name, "version": secret.version}
    return used


def git_commit(environ: Mapping[str, str]) -> str | None:
    """Return the commit that a run was submitted from: its variable's, or else its record's."""
    if known := environ.get("AZUREML_GIT_COMMIT"):
        return known
    run = _azureml_run(environ)
    if run is None:
        return None
    with contextlib.suppress(Exception):  # a receipt without it is better than none
        found: str | None = run.get_properties().get("azureml.git.commit")
        return found
    return None


def log_metrics(document: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Log rows, bytes and seconds to the Azure ML run, if this is one."""
    run = _azureml_run(environ)
    if run is None:
        return
    name = document["name"]
    written = sum(window["bytes"] for window in document["windows"])
    values = {"rows": document["rows"], "bytes": written, "seconds": document["seconds"]}
    try:
        for key, value in values.items():
            run.log(f"{name} {key}", value)
        run.flush(timeout_seconds=FLUSH_SECONDS)
    except Exception as error:  # noqa: BLE001 (the rows are landed: only tell)
        sys.stderr.write(f"remote_entry: metrics could not be logged ({type(error).__name__})\n")


def driver_of(connection_string: str) -> str:
    """Return the driver that a connection string names, and nothing else of it."""
    from remote_entry.sql.odbc import split_connection_string

    for keyword, value in split_connection_string(connection_string).items():
        if keyword.lower() == "driver":
            return Path(value).name
    return ""


def _azureml_run(environ: Mapping[str, str]) -> Any:
    """Return this process's run; None if it is none, or the SDK is not installed."""
    if not environ.get("AZUREML_RUN_ID"):
        return None
    with contextlib.suppress(Exception):
        from azureml.core import Run

        return Run.get_context(allow_offline=False)
    return None


def _window(landed: Landed) -> dict[str, Any]:
    """Return a window's part of a receipt."""
    entry, found = landed.entry, landed.verification
    return {
        "entry": entry.number,
        "version": entry.version,
        "folder": entry.folder,
        **asdict(entry.window),
        "rows": entry.rows,
        "parts": landed.parts,
        "bytes": landed.bytes,
        "manifest_sha256": entry.manifest_sha256,
        "drift": landed.drift,
        "is_resumed": landed.is_resumed,
        "verification": found.as_json() if found else "by the process that landed it",
    }
