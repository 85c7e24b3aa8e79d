"""What this machine submitted: the last run of each job, in the user's own state folder.

It is a convenience, never a source of truth: without it nobody is told what changed since the last
submission.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from submitter.errors import SnapshotError
from submitter.job import Job
from submitter.planning import Plan
from submitter.summary import fingerprint
from submitter.whole_file import write_whole

_log = logging.getLogger("submitter")


@dataclass(frozen=True)
class Record:
    """The last submission of a job.

    Attributes:
        run_id: The run that it became.
        fingerprint: What was submitted; see `submitter.summary.fingerprint`.
    """

    run_id: str
    fingerprint: Mapping[str, str]


def remember(plan: Plan, run_id: str, workspace: str) -> None:
    """Keep what was submitted; failing to is no reason to fail.

    Args:
        plan: What was submitted.
        run_id: The run that it became.
        workspace: Its subscription, resource group and name, in one text.
    """
    try:
        record = Record(run_id, fingerprint(plan))
        write_whole(_path(plan.job, workspace), json.dumps(asdict(record)))
    except (OSError, SnapshotError) as error:  # no room, or a file that has vanished by now
        _log.info("The submission was not written down: %s", error)


def last_of(job: Job, workspace: str) -> Record | None:
    """Return what this machine last submitted of a job, if it knows."""
    return _read(_path(job, workspace))


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _path(job: Job, workspace: str) -> Path:
    return _folder(workspace) / f"{_name(str(job.file or job.folder))}.json"


def _folder(workspace: str) -> Path:
    return platformdirs.user_state_path("submitter") / "submissions" / _name(workspace)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
