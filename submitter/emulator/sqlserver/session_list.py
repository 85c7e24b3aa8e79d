"""Who is connected to a server."""

import dataclasses
import datetime as dt
import threading


@dataclasses.dataclass(frozen=True)
class SessionRecord:
    """One session, as the server knows it from its login, and its isolation level."""

    session_id: int
    login: str
    host: str
    application: str
    started: dt.datetime
    isolation: int = 2


class SessionList:
    """The sessions of one server; safe to use from several of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[int, SessionRecord] = {}

    def add(self, session: SessionRecord) -> None:
        """Note a session that has begun."""
        with self._lock:
            self._sessions[session.session_id] = session

    def remove(self, session_id: int) -> None:
        """Forget a session that is over."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def isolate(self, session_id: int, level: int) -> None:
        """Note a session's isolation level."""
        with self._lock:
            session = self._sessions[session_id]
            self._sessions[session_id] = dataclasses.replace(session, isolation=level)

    def all(self) -> list[SessionRecord]:
        """Return those that go on, oldest first."""
        with self._lock:
            return list(self._sessions.values())
