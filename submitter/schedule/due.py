"""Which instants are due: a decision without a clock, a file or a service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from submitter.schedule.instants import Schedule

CatchUp = Literal["none", "latest", "all"]
# How late an instant may be and still not count as missed: schedulers start things late, and an
# instant that the clocks moved is found up to an hour after it.
ON_TIME = timedelta(hours=1)


@dataclass(frozen=True)
class Due:
    """What is due.

    Attributes:
        instants: In UTC, oldest first.
        left_out: Whether older ones are given up, for there were too many.
    """

    instants: tuple[datetime, ...] = ()
    left_out: bool = False


def due(schedule: Schedule, handled: datetime, now: datetime, catch_up: CatchUp, most: int) -> Due:
    """Return the instants of a schedule that are to be handled now.

    Args:
        schedule: The schedule.
        handled: Up to when all is handled.
        now: The present.
        catch_up: Of several, `all`; the `latest`; or with `none` the latest if it is on time,
            which is at most an hour late.
        most: How many at once at most; the newest count.
    """
    found = schedule.newest(handled, now, most + 1 if catch_up == "all" else 1)
    if catch_up == "none":
        found = [instant for instant in found if now - instant <= ON_TIME]
    return Due(tuple(found[-most:]), left_out=len(found) > most)
