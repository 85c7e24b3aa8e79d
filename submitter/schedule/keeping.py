"""Keep a schedule: submit what is due, each instant once, whatever happened in between."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal, NoReturn, Protocol

from submitter.errors import SubmitterError
from submitter.schedule.due import CatchUp, due
from submitter.schedule.instants import Schedule
from submitter.schedule.state import State

Overlap = Literal["skip", "queue"]
MOST = 100  # instants that are caught up with at once
_QUEUE_SECONDS = 30.0  # between two looks whether the run before has ended
_TROUBLE_SECONDS = 60.0  # before what failed is tried again
# A machine that sleeps, or whose clock is set, must not be late by more than this.
_LONGEST_NAP = 60.0


class ScheduledRuns(Protocol):
    """The runs that a job's schedule makes."""

    def find(self, instant: datetime) -> str | None:
        """Return the id of the run for an instant, however it stands; `None` if there is none."""

    def going(self) -> str | None:
        """Return the id of a run of the schedule that has not ended."""

    def submit(self, instant: datetime) -> str:
        """Submit the run for an instant, or attach to it; return its id."""


class Clock:
    """How time passes."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(timezone.utc)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass
class Keeper:
    """Keeps a schedule.

    Attributes:
        schedule: When.
        runs: What is submitted.
        state: Up to when all is handled.
        since: From when on, if the state does not know; by default from the first look on, so
            that nothing runs because a schedule was made.
        overlap: If a run of the schedule goes on when the next is due: skip it, or let it wait.
        catch_up: What to do about missed instants; see `due`.
        most: How many instants at once at most.
        on_event: Receives what happens, a sentence each.
        clock: How time passes.
        ids: The runs for the instants that were due, new ones and those that were there.
    """

    schedule: Schedule
    runs: ScheduledRuns
    state: State = field(default_factory=State)
    since: datetime | None = None
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    most: int = MOST
    on_event: Callable[[str], object] = lambda _: None
    clock: Clock = field(default_factory=Clock)
    ids: list[str] = field(default_factory=list)
    _waiting: deque[datetime] = field(default_factory=deque)
    _seen: datetime | None = None
    _said: str = ""

    def once(self) -> None:
        """Handle what is due now, and wait for what has to wait.

        Raises:
            SubmitterError: Something cannot be submitted. It stays due, and what was handled before
                stays handled.
        """
        self._look()
        while not self._submit_what_waits():
            self.clock.sleep(_QUEUE_SECONDS)

    def for_ever(self) -> NoReturn:
        """Handle what is due, until an interrupt; what fails is said and tried again."""
        while True:
            pause = _LONGEST_NAP
            try:
                self._look()
                if not self._submit_what_waits():
                    pause = _QUEUE_SECONDS
            except SubmitterError as error:
                self._say(f"{error} Trying again every {_TROUBLE_SECONDS:.0f} s.")
                pause = _TROUBLE_SECONDS
            self.clock.sleep(min(pause, self._seconds_to_the_next()))

    def _look(self) -> None:
        """Put in line what has become due since the last look."""
        if self._seen is None:
            self._seen = self._begin()
        now = self.clock.now()
        # A clock that was set back shows the same instants again: their runs are there already.
        found = due(self.schedule, min(self._seen, now), now, self.catch_up, self.most)
        if found.left_out:
            self._say(
                f"More than {self.most} instants are due since {self._named(self._seen)}; those "
                f"before {self._named(found.instants[0])} are left out. For more at once: --most"
            )
        self._waiting.extend(found.instants)
        while len(self._waiting) > self.most:
            self._say(f"{self._named(self._waiting.popleft())}: left out, too many wait.")
        self._seen = now

    def _begin(self) -> datetime:
        """Return up to when all is handled, and remember it if the state does not know.

        A state that is still to come knows nothing: what it says was handled has not been yet.
        """
        known = self.state.handled()
        now = self.clock.now()
        if known is not None and known <= now:
            return known
        begin = min(self.since or now, now)
        if known is not None:
            self._say(
                f"The schedule's state says that all is handled up to {known.isoformat()}, which "
                "is still to come: the clock was ahead. The schedule goes on from "
                f"{self._named(begin)} on."
            )
        self.state.remember(begin)
        return begin

    def _submit_what_waits(self) -> bool:
        """Submit instants in their order; tell whether none has to wait any longer."""
        while self._waiting:
            instant = self._waiting[0]
            # Who has a run is not asked whether another one goes on: it may be its own.
            run_id = self.runs.find(instant)
            going = None if run_id else self.runs.going()
            if going and self.overlap == "queue":
                self._say(f"{self._named(instant)}: waits for the end of {going}.")
                return False
            if going:
                self._say(f"{self._named(instant)}: skipped, for {going} goes on.")
            else:
                run_id = run_id or self.runs.submit(instant)
                self.ids.append(run_id)
                self._say(f"{self._named(instant)}: {run_id}")
            self._waiting.popleft()
            self.state.remember(instant)
        return True

    def _seconds_to_the_next(self) -> float:
        now = self.clock.now()
        latest = now + timedelta(seconds=_LONGEST_NAP)
        following = next(self.schedule.after(self._seen or now, latest), latest)
        return max(0.0, (following - now) / timedelta(seconds=1))

    def _named(self, instant: datetime) -> str:
        return self.schedule.local(instant).isoformat()

    def _say(self, text: str) -> None:
        if text != self._said:  # the same trouble every minute is told once
            self._said = text
            self.on_event(text)
