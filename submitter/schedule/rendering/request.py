"""What a scheduler is to keep, whichever it is."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from submitter.errors import InputError
from submitter.job import Job
from submitter.schedule.due import CatchUp
from submitter.schedule.instants import Schedule
from submitter.schedule.keeping import Overlap
from submitter.submission import run_ids

Target = Literal["github", "azure-devops", "systemd", "crontab"]
# How far back each look goes in a pipeline, which remembers nothing: a cloud's schedulers are hours
# late at times. Not as far as a day, or a nightly job would run because its file was added.
EVERY_LOOK = "6h"
# How far back the first look goes on a machine with a memory: as far as the trigger before it, and
# not to that one's instant, or a job would run because its schedule was made.
FIRST_LOOK = "59m"
# A line's end ends a line of these files; YAML has more of them than others, and cannot hold
# control characters (https://yaml.org/spec/1.1, sections 5.1 and 5.4). Bytes of a path that are
# not UTF-8, which Python has as surrogates, cannot be written. `${{`, `$(` and `##vso[` are words
# to some scheduler.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
    r"|\$\{\{|\$\(|##vso\[|##\["
)


@dataclass(frozen=True)
class Request:
    """What a scheduler is to keep.

    Attributes:
        job_file: The job, as it was named.
        schedule: When.
        program: The words that start `submitter` on a machine of one's own; in a cloud's, where it
            is installed first, it is on the path.
        overlap: See `submitter.schedule.keeping`.
        catch_up: Likewise.
        options: More options of `run-due`, such as those that name the workspace.
        name: What the files are named after.

    Raises:
        InputError: No such job, or a name that some scheduler would take for its own words.
        JobError: The job file is wrong.
    """

    job_file: Path
    schedule: Schedule
    program: tuple[str, ...] = ("submitter",)
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    options: tuple[str, ...] = ()
    name: str = field(init=False)

    def __post_init__(self) -> None:
        job = Job.from_file(self.job_file)
        run_ids.scheduled(job, datetime.now(timezone.utc))
        named = (str(self.job_file), str(self.folder), self.schedule.cron)
        words = (*named, *self.program, *self.options)
        for word in words:
            if _UNSAFE.search(word):
                raise InputError(
                    f"{word!r} cannot stand in a scheduler's file: it has a control character, a "
                    "line's end, what is not UTF-8, or '${{', '$(' or '##['. Rename it."
                )
        stem = re.sub("[^A-Za-z0-9_-]+", "-", f"{job.experiment}-{self.job_file.stem}")
        object.__setattr__(self, "name", f"submitter-{stem}")

    @property
    def folder(self) -> Path:
        """The job file's folder."""
        return self.job_file.absolute().parent

    def arguments(self, job: str, since: str) -> tuple[str, ...]:
        """Return the command that a scheduler runs, without the program.

        Args:
            job: The job file as it is named there.
            since: How far back a look without memory goes.
        """
        return (
            *("schedule", "run-due", job),
            *("--cron", self.schedule.cron, "--zone", self.schedule.zone),
            *("--overlap", self.overlap, "--catch-up", self.catch_up),
            *("--since", since),
            *self.options,
        )

    def path_in_the_repository(self) -> str:
        """Return the job file's path as a checkout has it, which is where `render` is called.

        Raises:
            InputError: It is not below this folder.
        """
        try:
            return self.job_file.absolute().relative_to(Path.cwd()).as_posix()
        except ValueError:
            raise InputError(
                f"{self.job_file} is not below {Path.cwd()}. In a pipeline there is the "
                "repository and nothing else: call this in its top folder."
            ) from None

    def comment(self, *lines: str) -> str:
        """Return a file's first lines: what it is, and these."""
        job = self.job_file.name.replace("\n", " ")
        first = (
            f"{job} at '{self.schedule.cron}' in {self.schedule.zone}.",
            "Written by 'submitter schedule render'. It wakes run-due up, which does nothing if",
            "nothing is due, and for the instant that is due the same as",
            f"  submitter submit {job} --scheduled-for INSTANT --no-wait",
            "A run's id is made of job and instant: a trigger too many or too late is harmless.",
        )
        return "".join(f"# {line}\n" for line in (*first, *lines))
