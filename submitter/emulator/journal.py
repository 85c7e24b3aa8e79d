"""What the emulator saw: requests served, hosts refused, routes it does not play."""

from collections import deque
from dataclasses import dataclass, field

KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class RequestRecord:
    """One answered request; bodies, query strings and tokens are never kept.

    Attributes:
        time: When it came in, in ISO 8601.
        service: The service that answered.
        method: The HTTP method.
        host: The host name asked for.
        path: The path without its query.
        status: The HTTP status; 0 where the connection was cut.
        milliseconds: How long the answer took.
    """

    time: str
    service: str
    method: str
    host: str
    path: str
    status: int
    milliseconds: float


@dataclass(frozen=True)
class Journal:
    """Everything noted since the emulator started."""

    requests: deque[RequestRecord] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    egress: list[str] = field(default_factory=list)
    unknown_routes: list[str] = field(default_factory=list)
