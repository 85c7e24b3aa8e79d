"""What passes by itself is tried again, as Microsoft advises: after 5 s, then longer, not for ever.

https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-connectivity-issues
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from remote_entry.errors import SqlError

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
SPREAD = 1.0  # so that the runs of an array do not come back all at once

_log = logging.getLogger("remote_entry")

T = TypeVar("T")


def retry_transient(
    attempt: Callable[[], T], *, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Call until it succeeds, fails for good, or the next attempt would come too late.

    Args:
        attempt: What to do. Only a SqlError that is transient is met with another call: a second
            attempt with a wrong password would bring the login closer to being locked.
        seconds: From the first call to the start of the last one.
        sleep: Waits between attempts.

    Returns:
        What the attempt returned.

    Raises:
        SqlError: The last attempt's.
    """
    retrying = Retrying(
        retry=retry_if_exception(_passes),
        wait=wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT) + wait_random(0, SPREAD),
        stop=stop_before_delay(seconds),
        sleep=sleep,
        before_sleep=_tell,
        reraise=True,
    )
    return retrying(attempt)


def _passes(error: BaseException) -> bool:
    """Tell whether an error is worth another attempt."""
    return isinstance(error, SqlError) and error.transient


def _tell(state: RetryCallState) -> None:
    """Say what is waited for: a paused database takes a minute to wake up."""
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    first_line = str(error).partition("\n")[0]
    _log.warning("%s; trying again in %.0f s", first_line, wait)
