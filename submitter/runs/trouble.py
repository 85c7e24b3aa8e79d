"""A service that does not answer: borne with patience, said once, and so is that it is back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from submitter.backends.base import BusyError, RemoteRun
from submitter.errors import NotFoundError, ServiceError, SignInError

LOOK_SECONDS = 1.0  # between two looks at a run
_LONGEST_PAUSE = 5.0  # seconds between two tries, unless the service asks for more
_LONGEST_RETRY_AFTER = 120.0  # seconds that a service may ask for
_REFUSALS = 5  # in a row, before a refused identity or a missing run is believed


@dataclass(frozen=True)
class Clock:
    """How time passes; a test passes it by hand.

    Attributes:
        sleep: Waits, in seconds.
        monotonic: Seconds since any moment, without jumps; it may stand while a laptop sleeps.
        wall: Seconds since 1970, which a laptop's sleep makes jump.
    """

    sleep: Callable[[float], object] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Trouble:
    """Whether a service answers; true as long as it does not.

    Args:
        who: The service, as a notice names it.
        patience: Seconds without an answer before its error is raised.
        clock: How time passes.
        on_notice: Receives what there is to say.
    """

    def __init__(
        self, who: str, patience: float, clock: Clock, on_notice: Callable[[str], object]
    ) -> None:
        self._who = who
        self._patience = patience
        self._clock = clock
        self._on_notice = on_notice
        self._since: float | None = None
        self._tries = 0
        self._refusals = 0
        self._next = float("-inf")

    def __bool__(self) -> bool:
        return self._since is not None

    @property
    def may_be_asked(self) -> bool:
        """Whether it is time for the next try."""
        return self._clock.monotonic() >= self._next

    @property
    def lasts(self) -> float:
        """Seconds since it began."""
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def forget(self) -> None:
        """Ask at once, and be patient from now on, as after a laptop's sleep."""
        self._since = None if self._since is None else self._clock.monotonic()
        self._next = float("-inf")

    @contextmanager
    def expected(self, run: RemoteRun) -> Iterator[None]:
        """Bear a failure, as long as there is patience."""
        try:
            yield
        except (SignInError, NotFoundError, ServiceError) as error:
            self._bear(error)
            if self._is_borne(error):
                if isinstance(error, SignInError):
                    run.sign_in_again()
                return
            if isinstance(error, NotFoundError):
                raise
            raise type(error)(
                f"{error} Gave up following after {self.lasts:.0f} s; the run goes on. "
                f"Come back with: submitter runs follow {run.id}"
            ) from error
        else:
            if self._since is not None and self._tries > 1:
                self._on_notice(f"{self._who} answers again, after {self.lasts:.0f} s.")
            self._since, self._tries, self._refusals, self._next = None, 0, 0, float("-inf")

    def _is_borne(self, error: Exception) -> bool:
        if isinstance(error, ServiceError):
            return self.lasts < self._patience
        # No patience makes a deleted run or a lost role come back; a fresh token may help.
        self._refusals += 1
        return self._refusals < _REFUSALS

    def _bear(self, error: Exception) -> None:
        if self._since is None:
            self._since = self._clock.monotonic()
        self._tries += 1
        if self._tries == 2:  # noqa: PLR2004 - a single stumble is nothing to tell
            self._on_notice(f"{error} Trying on; the run itself goes on.")
        asked = error.seconds if isinstance(error, BusyError) and error.seconds else 0.0
        pause = min(LOOK_SECONDS * 2 ** (self._tries - 1), _LONGEST_PAUSE)
        self._next = self._clock.monotonic() + max(pause, min(asked, _LONGEST_RETRY_AFTER))
