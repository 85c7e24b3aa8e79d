"""Try again what failed for the service's reasons: a lost node, not a wrong script."""

import time
from collections.abc import Callable

from submitter.backends.base import FAILED, RunDetails
from submitter.runs.handle import RunHandle
from submitter.submission import run_ids

# Whose fault a failure was, in the service's words: the user's own would only happen again.
_USERS_FAULT = "UserError"
_FIRST_PAUSE = 10.0  # seconds; each further one is twice as long
_LONGEST_PAUSE = 300.0


def carry_through(
    run: RunHandle,
    *,
    follow: Callable[[RunHandle], RunDetails],
    again: Callable[[str], RunHandle],
    retries: int = 0,
    on_retry: Callable[[RunDetails, float], object] = lambda *_: None,
    sleep: Callable[[float], object] = time.sleep,
) -> RunDetails:
    """Follow a run to its end; submit it again if the service lost it.

    Args:
        run: The first attempt.
        follow: Waits for a run's end.
        again: Starts the run of an id, or attaches to it. The ids of further attempts are made of
            the first one's, so that whoever does the same again finds them.
        retries: How many more attempts there may be.
        on_retry: Receives how an attempt ended, and the seconds until the next.
        sleep: Waits between two attempts, in seconds.

    Returns:
        How the last attempt ended.
    """
    first, pause = run.id, _FIRST_PAUSE
    for attempt in range(1, retries + 1):
        details = follow(run)
        if not may_pass_by_itself(details):
            return details
        on_retry(details, pause)
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        run = again(run_ids.retry(first, attempt))
    return follow(run)


def may_pass_by_itself(details: RunDetails) -> bool:
    """Tell whether a run failed for a reason that another attempt may not meet."""
    return details.status == FAILED and details.error_code != _USERS_FAULT
