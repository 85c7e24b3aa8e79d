"""The runs that a job's schedule makes in its workspace."""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.base import RunQuery
from submitter.errors import NotFoundError
from submitter.job import Job
from submitter.runs.handle import RunHandle
from submitter.submission import run_ids
from submitter.submission.submitting import get_run, submit

_SEARCHED = 200  # of the experiment's newest runs
_OF_A_TIME = r"_\d{8}T\d{6}Z(_\w+)?"


class JobRuns:
    """The runs of a job file, one for each instant.

    The workspace is opened when it is needed: most looks at a schedule find nothing due.

    Args:
        job_file: The job. It is read anew for each run.
        open_workspace: Opens the azureml-core `Workspace`.
        allow_plaintext: See `submit`.
    """

    def __init__(
        self,
        job_file: Path,
        open_workspace: Callable[[], Any],
        *,
        allow_plaintext: Collection[str] = (),
    ) -> None:
        self._file = job_file
        self._open = open_workspace
        self._allowed = allow_plaintext
        self.handles: list[RunHandle] = []

    def find(self, instant: datetime) -> str | None:
        """Return the id of the run for an instant, however it stands; `None` if there is none."""
        try:
            run = get_run(run_ids.scheduled(self._job(), instant), workspace=self._workspace)
        except NotFoundError:
            return None
        self.handles.append(run)
        return run.id

    def going(self) -> str | None:
        """Return the id of a run of the schedule that has not ended."""
        job = self._job()
        prefix = run_ids.scheduled(job, datetime.now(timezone.utc)).rpartition("_")[0]
        ours = re.compile(re.escape(prefix) + _OF_A_TIME)
        query = RunQuery(experiments=(job.experiment,), limit=_SEARCHED)
        try:
            runs = AzureMLCore(self._workspace).runs(query)
        except NotFoundError:  # the experiment begins with its first run
            return None
        going = (run.id for run in runs if not run.has_ended and ours.fullmatch(run.id))
        return next(going, None)

    def submit(self, instant: datetime) -> str:
        """Submit the run for an instant, or attach to it; return its id."""
        run = submit(
            self._job(),
            workspace=self._workspace,
            allow_plaintext=self._allowed,
            scheduled_for=instant,
        )
        self.handles.append(run)
        return run.id

    @cached_property
    def _workspace(self) -> Any:
        return self._open()

    def _job(self) -> Job:
        return Job.from_file(self._file)
