"""What azureml-core (SDK v1) knows of a run without another request."""

import re
from datetime import datetime, timezone
from typing import Any

from submitter.backends.base import RunSummary


def summary_of(run: Any) -> RunSummary:
    """Return what the SDK's `Run` holds of its run.

    Args:
        run: The azureml-core `Run`; its record is as fresh as its last request for it.
    """
    record = run._run_dto  # noqa: SLF001 - no public property has the times and the owner
    by = record.get("created_by") or {}
    return RunSummary(
        id=str(run.id),
        experiment=str(run.experiment.name),
        status=str(record.get("status") or ""),
        display_name=str(record.get("display_name") or ""),
        created=moment(record.get("created_utc")),
        started=moment(record.get("start_time_utc")),
        ended=moment(record.get("end_time_utc")),
        compute=str(record.get("target") or ""),
        submitted_by=str(by.get("user_name") or ""),
        owner=str(by.get("user_object_id") or ""),
        tags={name: value or "" for name, value in (record.get("tags") or {}).items()},
    )


def moment(value: Any) -> datetime | None:
    """Return a point in time as the service or the SDK writes it; `None` for none."""
    if not value:
        return None
    if isinstance(value, datetime):
        found = value
    else:
        # Seven decimals are more than `fromisoformat` of Python 3.10 takes.
        trimmed = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m[1].ljust(6, "0"), str(value))
        try:
            found = datetime.fromisoformat(trimmed.replace("Z", "+00:00"))
        except ValueError:
            return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
