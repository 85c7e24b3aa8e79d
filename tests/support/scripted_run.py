"""A run of our own contract that goes as a test says, and a clock that a test turns."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from submitter.backends.base import LOG_PIECE, ExpiredAddressError, FileStream, RunDetails
from submitter.runs.trouble import Clock

LOG = "user_logs/std_log.txt"


@dataclass
class TurnedClock:
    """Time that passes only while somebody waits.

    Attributes:
        now: Seconds that have passed.
        asleep: Seconds of them in which the machine slept: the wall clock jumped.
        waits: What was asked of it.
        events: What happens at the next moments, by the time from which on it does.
    """

    now: float = 0.0
    asleep: float = 0.0
    waits: list[float] = field(default_factory=list)
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()

    @property
    def clock(self) -> Clock:
        """The clock that a following takes."""
        return Clock(self.sleep, lambda: self.now, lambda: self.now + self.asleep)


@dataclass
class ScriptedRun:
    """A run that a test takes through its life by hand.

    Attributes:
        state: Its status.
        content: Log → what is written.
        error: What the next questions to the service raise, one each.
        log_error: What the next questions to the storage raise, one each.
        generation: Which addresses are good: those that were handed out since it changed.
        asked: How often each question was asked.
    """

    state: str = "Queued"
    content: dict[str, bytes] = field(default_factory=dict)
    error: list[Exception] = field(default_factory=list)
    log_error: list[Exception] = field(default_factory=list)
    generation: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    id: str = "e_1_0a1b2c3d"
    signed_in_again: int = 0

    def status(self, seconds: float | None = None) -> str:
        self._asked("status")
        return self.state

    def details(self) -> RunDetails:
        self._asked("details")
        return RunDetails(id=self.id, experiment="e", status=self.state, logs=self._addresses())

    def addresses(self, prefix: str) -> Mapping[str, str]:
        self._asked("addresses")
        return {name: at for name, at in self._addresses().items() if name.startswith(prefix)}

    def read_log(self, address: str, offset: int) -> bytes:
        self.asked["log"] = self.asked.get("log", 0) + 1
        if self.log_error:
            raise self.log_error.pop(0)
        name, _, generation = address.partition("?sig=")
        if int(generation) != self.generation:
            raise ExpiredAddressError("The storage refused the signed address (403).")
        return self.content.get(name, b"")[offset : offset + LOG_PIECE]

    def sign_in_again(self) -> None:
        self.signed_in_again += 1

    def metrics(self) -> dict[str, float]:
        return {}

    def files(self) -> list[str]:
        return []

    def open_file(self, address: str, offset: int = 0, etag: str = "") -> FileStream:
        raise NotImplementedError

    def tag(self, tags: Mapping[str, str], remove: Collection[str] = ()) -> None: ...

    def cancel(self) -> None: ...

    def _addresses(self) -> dict[str, str]:
        return {name: f"{name}?sig={self.generation}" for name in self.content}

    def _asked(self, what: str) -> None:
        self.asked[what] = self.asked.get(what, 0) + 1
        if self.error:
            raise self.error.pop(0)
