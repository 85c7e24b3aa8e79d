"""What a server saw, for tests and for the curious; no parameter value, no password."""

import collections
import dataclasses
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from typing import Literal, overload

Kind = Literal["login", "sql", "procedure", "error", "cancel", "reset", "lost"]
_KEPT = 10_000


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What it was.
        session_id: On which connection.
        text: The SQL text, the procedure's name or the error's message.
        error: The error's number.
        user: Who logged in, and with `application`, `database` and `host` from where to where.
        encrypted: The TLS version of the connection.
        by_token: Whether the login was with an access token, which names the user.
        at: When.
    """

    kind: Kind
    session_id: int
    text: str = ""
    error: int | None = None
    user: str = ""
    application: str = ""
    database: str = ""
    host: str = ""
    encrypted: str = ""
    by_token: bool = False
    at: dt.datetime = dataclasses.field(default_factory=lambda: dt.datetime.now(dt.timezone.utc))


class EventLog(Sequence[Event]):
    """The latest events, oldest first."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._lock = threading.Lock()
        self._events: collections.deque[Event] = collections.deque(maxlen=kept)

    def add(self, event: Event) -> None:
        """Note an event."""
        with self._lock:
            self._events.append(event)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._events.clear()

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        with self._lock:
            return list(self._events)[index]

    def __iter__(self) -> Iterator[Event]:
        with self._lock:
            return iter(list(self._events))
