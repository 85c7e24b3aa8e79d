"""The Azure SDK's retries stay inside the deadline."""

from types import SimpleNamespace
from typing import Any

import pytest

from remote_entry.azure.retry import (
    LONGEST_RETRY_AFTER,
    BoundedRetryPolicy,
    client_options,
    credential_options,
)
from remote_entry.deadline import Deadline


def answer(status: int, **headers: str) -> Any:
    """Return a response as azure-core's pipeline hands it to a policy."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = SimpleNamespace(status_code=status, headers=named)
    request = SimpleNamespace(method="GET")
    return SimpleNamespace(http_response=response, http_request=request)


def retries(response: Any, seconds: float = 60) -> bool:
    """Tell whether a policy with so many seconds left tries again."""
    policy = BoundedRetryPolicy(Deadline(seconds, clock=lambda: 0.0), retry_total=3)
    settings = policy.configure_retries({})
    return bool(policy.is_retry(settings, response))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_conditions_are_tried_again(status: int) -> None:
    """Throttling and failing servers may recover."""
    assert retries(answer(status))


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404])
def test_refusals_are_not_tried_again_even_with_retry_after(status: int) -> None:
    """azure-core alone would retry any status that carries the header."""
    assert not retries(answer(status, Retry_After="1"))


def test_retry_after_is_capped() -> None:
    """An hour of Retry-After does not become an hour of sleep."""
    policy = BoundedRetryPolicy(Deadline(60))
    assert policy.get_retry_after(answer(429, Retry_After="3600")) == LONGEST_RETRY_AFTER
    assert policy.get_retry_after(answer(429)) is None


def test_no_attempt_is_made_that_would_start_after_the_deadline() -> None:
    """The error is told now, not when nobody waits any more."""
    assert not retries(answer(429, Retry_After="8"), seconds=5)
    assert retries(answer(429, Retry_After="3"), seconds=5)


def test_clients_and_credentials_get_the_same_bounds() -> None:
    """Both halves of a read are bounded: the token and the secret."""
    deadline = Deadline(60)
    policy = credential_options(deadline)["retry_policy_class"](retry_total=3)
    assert isinstance(policy, BoundedRetryPolicy)
    assert isinstance(client_options(deadline)["retry_policy"], BoundedRetryPolicy)
    for options in (client_options(deadline), credential_options(deadline)):
        assert (options["connection_timeout"], options["read_timeout"]) == (5, 10)
