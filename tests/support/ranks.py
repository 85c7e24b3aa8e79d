"""Two ranks in one process: rank 0 is the test, and a thread works."""

import socket
import threading
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.cluster_key import ClusterKey, derive_key
from remote_entry.extract.workers.cluster_worker import work
from remote_entry.extract.workers.ranks import End, Rank
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference
from remote_entry.supervision.handover import Bundle

PATIENCE = 20.0


def key_of(value: str) -> ClusterKey:
    """Derive a key from one secret."""
    return derive_key(Bundle((Secret(SecretReference("1", "cluster"), value),)), "run-1")


def ranks(patience: float = PATIENCE) -> tuple[Rank, Rank]:
    """Return the places of two ranks, on a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return Rank(0, 2, "127.0.0.1", port, "run-1", patience), Rank(1, 2, "127.0.0.1", port, "run-1")


class Worker(threading.Thread):
    """A rank that works."""

    end: End | Exception

    def __init__(
        self, rank: Rank, key: ClusterKey, brought: Any = 10, patience: float = PATIENCE
    ) -> None:
        super().__init__(daemon=True)
        self._arguments = rank, key, brought, patience
        self.start()

    def run(self) -> None:
        try:
            self.end = work(*self._arguments)
        except ExtractError as error:
            self.end = error

    def ended(self) -> End | Exception:
        """Return how it came to its end."""
        self.join(PATIENCE)
        return self.end
