"""Follow a run to its end: its status, and its logs by byte offset.

What a look costs, each second: one request for each log, and one for the status while the run waits
and in the first minute of its following; later every five seconds. The details, four requests, are
asked for at the beginning, at the end, and if a log is not where it was expected. So a run of one
day costs about 100,000 small requests, and a line of the log is here within two seconds at any age.
"""

import os
from collections.abc import Callable, Collection

from submitter.backends.base import ENDED, ExpiredAddressError, RemoteRun, RunDetails
from submitter.errors import InputError
from submitter.runs.log_reading import WantedLogs
from submitter.runs.trouble import LOOK_SECONDS, Clock, Trouble

_RARELY_SECONDS = 5.0
_YOUNG_SECONDS = 60.0  # of following a run, in which its status is asked for at each look
_LEGACY_SECONDS = 15.0  # between looks for a log that is not in the usual folder
_AFTER_THE_END = 30.0  # seconds in which the end of a log is tried for
_DEFAULT_PATIENCE = 600.0
_STATUS_SECONDS = 10.0  # for the answer, while a log waits to be read
_NAP = 30.0  # a clock that jumps further is a machine that slept
_WAITING = frozenset({"NotStarted", "Starting", "Provisioning", "Preparing", "Queued"})
_USER_LOGS = "user_logs/"


def follow(
    run: RemoteRun,
    *,
    write: Callable[[bytes], object] | None = None,
    logs: Collection[str] = (),
    on_status: Callable[[str], object] = lambda _: None,
    on_notice: Callable[[str], object] = lambda _: None,
    patience: float | None = None,
    timeout: float | None = None,
    clock: Clock | None = None,
) -> RunDetails:
    """Pass the run's log on as it is written, until the run has ended.

    Args:
        run: The run.
        write: Receives each new piece of the log, every byte once and in order; without it only
            the status is watched.
        logs: Which logs; see `submitter.runs.log_names.choose`. By default the main one. One log
            comes byte for byte; of several, whole lines, each after its log's short name.
        on_status: Receives each new status.
        on_notice: Receives what else there is to say, once: that the service does not answer, that
            it is back, that a log was written anew.
        patience: Seconds without an answer before giving up; by default
            SUBMITTER_FOLLOW_PATIENCE, or ten minutes. The time that a laptop sleeps is not counted.
        timeout: Seconds after which to stop following.
        clock: How time passes.

    Returns:
        How the run stood at its end.

    Raises:
        TimeoutError: The run has not ended in time; it goes on.
        ServiceError: The service did not answer for too long; the run goes on.
        SignInError: The service refused the identity, a fresh token included.
    """
    patience = follow_patience() if patience is None else patience
    clock = clock or Clock()
    return _Following(
        run=run,
        logs=WantedLogs(run, write, logs, on_notice) if write else None,
        on_status=on_status,
        clock=clock,
        service=Trouble("Azure ML", patience, clock, on_notice),
        storage=Trouble("The storage of the log", patience, clock, on_notice),
        on_notice=on_notice,
        deadline=None if timeout is None else clock.monotonic() + timeout,
    ).to_the_end()


def follow_patience(otherwise: float = _DEFAULT_PATIENCE) -> float:
    """Return how many seconds without an answer a following survives.

    Raises:
        InputError: SUBMITTER_FOLLOW_PATIENCE is no positive number (`inf` is one).
    """
    text = os.environ.get("SUBMITTER_FOLLOW_PATIENCE", "")
    try:
        seconds = float(text) if text else otherwise
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError("SUBMITTER_FOLLOW_PATIENCE is not a positive number of seconds.")
    return seconds


class _Following:
    """One run on its way to its end."""

    def __init__(
        self,
        *,
        run: RemoteRun,
        logs: WantedLogs | None,
        on_status: Callable[[str], object],
        on_notice: Callable[[str], object],
        clock: Clock,
        service: Trouble,
        storage: Trouble,
        deadline: float | None,
    ) -> None:
        self._run = run
        self._logs = logs
        self._on_status = on_status
        self._on_notice = on_notice
        self._clock = clock
        self._service = service
        self._storage = storage
        self._deadline = deadline
        self._began = clock.monotonic()
        self._details: RunDetails | None = None
        self._status = ""
        self._asked = float("-inf")  # when the status was asked for last
        self._listed = float("-inf")  # when the details were asked for last, for their logs

    def to_the_end(self) -> RunDetails:
        """Look again and again."""
        seen = self._clock.monotonic(), self._clock.wall()
        while True:
            look_began = self._clock.monotonic()
            self._notice_sleep(seen)
            # Each at its own pace: the log comes even while Azure ML does not answer.
            if self._service.may_be_asked:
                with self._service.expected(self._run):
                    self._ask_how_it_stands()
                    self._look_for_logs()
            if self._storage.may_be_asked:
                with self._storage.expected(self._run):
                    self._read_logs()
            seen = self._clock.monotonic(), self._clock.wall()
            if self._is_over():
                return self._end()
            self._pause(look_began)

    def _ask_how_it_stands(self) -> None:
        now = self._clock.monotonic()
        young = now - self._began < _YOUNG_SECONDS
        if self._details is None:
            self._refresh()
        elif self._status not in ENDED:
            if now - self._asked < (_RARELY_SECONDS if self._runs and not young else 0):
                return
            status = self._run.status(_STATUS_SECONDS if self._logs and self._runs else None)
            self._asked = now
            if status in ENDED:
                self._refresh()
            else:
                self._note(status)

    @property
    def _runs(self) -> bool:
        """Whether there may be a log: before, a look at the status must not wait."""
        return self._status not in _WAITING

    def _refresh(self) -> None:
        self._details = self._run.details()
        self._asked = self._listed = self._clock.monotonic()
        if self._logs:
            self._logs.learn(self._details.logs)
        self._note(self._details.status)

    def _note(self, status: str) -> None:
        if self._logs and self._runs and status in _WAITING and self._status:
            self._logs.start_again()
        changed, self._status = status != self._status, status
        if changed and status not in ENDED:  # the last word comes after the last line
            self._on_status(status)

    def _look_for_logs(self) -> None:
        """Ask where the logs are, if that may have changed: one request, mostly."""
        logs = self._logs
        if not logs or self._status in ENDED:
            return
        if self._runs:
            if logs.may_grow_in_number:
                logs.learn(self._run.addresses(_USER_LOGS))
            elsewhere, wait = not logs.known, _LEGACY_SECONDS
        else:
            elsewhere, wait = logs.wants_others, _RARELY_SECONDS
        if elsewhere and self._clock.monotonic() - self._listed > wait:
            self._refresh()

    def _read_logs(self) -> None:
        logs = self._logs
        if not logs:
            return
        try:
            logs.read()
        except ExpiredAddressError:
            # Hours have passed, or the machine slept: the details have fresh addresses.
            self._details = self._run.details()
            logs.forget()
            logs.learn(self._details.logs)
            logs.read()

    def _is_over(self) -> bool:
        if self._details is None or self._status not in ENDED or self._service:
            return False
        if not self._storage:
            return True
        if self._storage.lasts < _AFTER_THE_END:
            return False
        self._on_notice(
            "The end of the log could not be read. Try again later: "
            f"submitter runs logs {self._run.id}"
        )
        return True

    def _end(self) -> RunDetails:
        if self._details is None:  # only for the type checker
            raise AssertionError
        if self._logs:
            self._logs.finish()
            if not self._logs.known and self._details.logs:  # as when no image could be built
                self._on_notice(
                    "The command wrote no log. Look at the service's own with: "
                    f"submitter runs logs {self._run.id} --log NAME; there are: "
                    f"{', '.join(sorted(self._details.logs))}"
                )
        self._on_status(self._details.status)
        return self._details

    def _notice_sleep(self, seen: tuple[float, float]) -> None:
        """Begin anew after a laptop's sleep: addresses have expired, connections are dead."""
        stood, jumped = seen
        asleep = (self._clock.wall() - jumped) - (self._clock.monotonic() - stood)
        if asleep < _NAP:
            return
        self._on_notice(f"This machine slept for {asleep:.0f} s; going on where it left off.")
        self._service.forget()
        self._storage.forget()
        self._asked = float("-inf")

    def _pause(self, look_began: float) -> None:
        now = self._clock.monotonic()
        wait = max(0.0, LOOK_SECONDS - (now - look_began))
        if self._deadline is not None:
            if now >= self._deadline:
                raise TimeoutError(f"The run {self._run.id} has not ended yet: {self._status}.")
            wait = min(wait, self._deadline - now)
        self._clock.sleep(wait)
