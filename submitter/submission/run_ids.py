"""Run ids: chosen here, so that a run can be found again whatever happens to the answer."""

import re
import time
import uuid
from datetime import datetime, timezone

from submitter.errors import InputError
from submitter.job import LEGAL_NAME, Job


def chosen(
    job: Job, *, run_id: str | None = None, scheduled_for: datetime | None = None
) -> str | None:
    """Return the id that somebody chose for a job's run; `None` leaves it to us.

    Args:
        job: The job; its `name` is an id.
        run_id: Another one, or
        scheduled_for: the time that the run is for.

    Raises:
        InputError: No id that Azure ML takes; both were given; a time without a zone.
    """
    if run_id and scheduled_for:
        raise InputError("Give a run id or the time that the run is for, not both.")
    if scheduled_for:
        return scheduled(job, scheduled_for)
    return checked(run_id) if run_id else job.name


def fresh(job: Job) -> str:
    """Return an id that no other run has."""
    return f"{job.experiment}_{int(time.time())}_{uuid.uuid4().hex[:8]}"


def scheduled(job: Job, instant: datetime) -> str:
    """Return the id that a job has at a time, and at no other time.

    Args:
        job: A job with a `name`, or one of a file: the experiment's and the file's name stand in.
        instant: With a time zone; whole seconds count.

    Raises:
        InputError: The instant has no time zone, or the job has neither a name nor a file.
    """
    if instant.tzinfo is None:
        raise InputError(
            f"{instant.isoformat()} has no time zone, so it is not one instant: add Z or an "
            "offset, as in 2026-03-29T02:30:00+01:00."
        )
    prefix = job.name or (f"{job.experiment}_{job.file.stem}" if job.file else None)
    if prefix is None:
        raise InputError("A job that no file describes needs a 'name' to be submitted by schedule.")
    stamp = instant.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return checked(f"{re.sub('[^A-Za-z0-9_-]', '-', prefix)}_{stamp}")


def instant_of(text: str) -> datetime:
    """Read an instant as ISO 8601 writes it, such as 2026-03-29T02:30:00+01:00.

    Raises:
        InputError: It is none.
    """
    try:
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError:
        raise InputError(
            f"'{text}' is no time. Write it as ISO 8601 does, with a zone: 2026-03-29T02:30:00Z."
        ) from None


def member(array: str, number: int) -> str:
    """Return the id of a run of an array; the first has number 1."""
    return checked(f"{array}_{number}")


def retry(run_id: str, number: int) -> str:
    """Return the id of a run's retry; the first has number 1."""
    return checked(f"{run_id}_retry{number}")


def checked(run_id: str) -> str:
    """Return an id that Azure ML takes.

    Raises:
        InputError: It would not take this one.
    """
    if not re.fullmatch(LEGAL_NAME, run_id):
        raise InputError(
            f"'{run_id}' is no run id: letters, digits, '-' and '_', at most 256, and the first "
            "one a letter or a digit."
        )
    return run_id
