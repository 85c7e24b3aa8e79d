"""Bounds for the Azure SDK's HTTP calls.

azure-core 1.41 sleeps a Retry-After in full, even past its own ``timeout``, retries any status that
carries the header, a 403 included, and waits 300 s for a silent host, four times.
"""

from functools import partial
from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import RetryPolicy

from remote_entry.deadline import Deadline

CONNECT_SECONDS = 5
READ_SECONDS = 10
LONGEST_RETRY_AFTER = 10.0
RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class BoundedRetryPolicy(RetryPolicy[Any, Any]):
    """A retry policy that never sleeps past a deadline.

    Args:
        deadline: When the whole work has to be done.
        **options: What azure-core's policy takes.
    """

    def __init__(self, deadline: Deadline, **options: Any) -> None:
        super().__init__(**options)
        self._deadline = deadline

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return how long to wait, capped."""
        seconds = super().get_retry_after(response)
        if seconds is None:
            return None
        return min(seconds, LONGEST_RETRY_AFTER)

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether another attempt makes sense and still fits."""
        if response.http_response.status_code not in RETRIED_STATUS:
            return False
        if (self.get_retry_after(response) or 0.0) >= self._deadline.remaining():
            return False
        return super().is_retry(settings, response)


_ATTEMPTS: dict[str, Any] = {
    "retry_total": 3,
    "retry_connect": 2,
    "retry_read": 2,
    "retry_status": 3,
    "retry_backoff_factor": 0.5,
    "retry_backoff_max": 4,
}

_TIMEOUTS: dict[str, Any] = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}


def credential_options(deadline: Deadline) -> dict[str, Any]:
    """Return what bounds an azure-identity credential: it builds its policy from a class."""
    return {
        "retry_policy_class": partial(BoundedRetryPolicy, deadline),
        **_ATTEMPTS,
        **_TIMEOUTS,
    }


def managed_identity_options() -> dict[str, Any]:
    """Return what bounds a managed identity's credential, which brings a policy of its own."""
    return {**_ATTEMPTS, **_TIMEOUTS}


def client_options(deadline: Deadline) -> dict[str, Any]:
    """Return what bounds an azure-core client: it takes a policy."""
    return {"retry_policy": BoundedRetryPolicy(deadline, **_ATTEMPTS), **_TIMEOUTS}
