"""When a scheduler that only knows UTC must wake up, so that no instant of a schedule is missed.

A zone with daylight-saving time is no single cron in UTC, so the triggers are those of all of the
zone's offsets. Where they are too many, nothing is due and nothing happens: `run-due` knows. The
instant that the clocks moved out of a gap is found by the trigger of the time that was skipped, up
to an hour later.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from cronsim import CronSim

from submitter.schedule.instants import ALL_HOURS, Schedule

ALL_MINUTES = frozenset(range(60))
ALL_DAYS = frozenset(range(1, 32))
ALL_MONTHS = frozenset(range(1, 13))
ALL_WEEKDAYS = frozenset(range(7))
_LAST_DAYS = frozenset({28, 29, 30, 31})
_LAST_WEEKDAYS = frozenset(range(26, 32))
_MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True)
class Days:
    """On which days: at most one of day of the month and day of the week is narrowed down.

    Schedulers differ in what both at once mean.

    Attributes:
        days: Days of the month.
        months: Months.
        weekdays: Days of the week; Sunday is 0.
    """

    days: frozenset[int] = ALL_DAYS
    months: frozenset[int] = ALL_MONTHS
    weekdays: frozenset[int] = ALL_WEEKDAYS

    def moved(self, by: int) -> "Days":
        """Return the days before these (-1), these (0), or the days after (1)."""
        if by == 0 or self == Days():
            return self
        if by < 0:
            days = {day - 1 for day in self.days - {1}} | (_LAST_DAYS if 1 in self.days else set())
            crossing = 1 in self.days
        else:
            days = {day + 1 for day in self.days - {31}} | (
                {1} if self.days & _LAST_DAYS else set()
            )
            crossing = bool(self.days & _LAST_DAYS)
        others = {(month - 1 + by) % 12 + 1 for month in self.months} if crossing else set()
        return Days(
            frozenset(days),
            self.months | others,
            frozenset((day + by) % 7 for day in self.weekdays),
        )


@dataclass(frozen=True)
class Trigger:
    """One line of a scheduler that knows UTC.

    Attributes:
        minutes: Of the hour.
        hours: Of the day, in UTC.
        on: On which days, in UTC.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    on: Days

    @property
    def cron(self) -> str:
        """The five fields."""
        return " ".join(
            [
                _field(self.minutes, ALL_MINUTES),
                _field(self.hours, ALL_HOURS),
                _field(self.on.days, ALL_DAYS),
                _field(self.on.months, ALL_MONTHS),
                _field(self.on.weekdays, ALL_WEEKDAYS),
            ]
        )


def triggers(schedule: Schedule) -> list[Trigger]:
    """Return when to wake up for a schedule, in UTC.

    Args:
        schedule: A cron in a zone; the zone's rules for the coming two years count.

    Returns:
        Lines that together cover every instant: each has a trigger at it, or one within the
        length of a gap after it if the clocks moved it.
    """
    times: dict[Days, set[tuple[int, int]]] = defaultdict(set)
    parsed = schedule.parsed
    for days in _days_of(parsed):
        for offset in schedule.offsets:
            ahead = offset // timedelta(minutes=1)
            for hour in parsed.hours:
                for minute in parsed.minutes:
                    moved, time = divmod(hour * 60 + minute - ahead, _MINUTES_OF_A_DAY)
                    times[days.moved(moved)].add(divmod(time, 60))
    return sorted(
        (
            Trigger(minutes, hours, days)
            for days, all_times in times.items()
            for minutes, hours in _lines(all_times)
        ),
        key=lambda trigger: trigger.cron,
    )


def _days_of(parsed: CronSim) -> Iterator[Days]:
    months = frozenset(parsed.months)
    days = frozenset(parsed.days) - {CronSim.LAST, CronSim.LAST_WEEKDAY}
    if CronSim.LAST in parsed.days:
        days |= _LAST_DAYS
    if CronSim.LAST_WEEKDAY in parsed.days:
        days |= _LAST_WEEKDAYS
    weekdays = frozenset(
        (each if isinstance(each, int) else each[0]) % 7 for each in parsed.weekdays
    )
    by_day, by_weekday = Days(days, months), Days(ALL_DAYS, months, weekdays)
    if parsed.day_and:  # both must match, and one of them begins with a star: the other is narrower
        yield by_weekday if parsed.parts[3].startswith("*") else by_day
    elif days == ALL_DAYS or weekdays == ALL_WEEKDAYS:  # either may match, and one always does
        yield Days(months=months)
    else:
        yield by_day
        yield by_weekday


def _lines(times: set[tuple[int, int]]) -> Iterator[tuple[frozenset[int], frozenset[int]]]:
    """Return minutes and hours whose products are exactly some times of the day."""
    hours_of: dict[int, set[int]] = defaultdict(set)
    for hour, minute in times:
        hours_of[minute].add(hour)
    minutes_of: dict[frozenset[int], set[int]] = defaultdict(set)
    for minute, hours in hours_of.items():
        minutes_of[frozenset(hours)].add(minute)
    for all_hours, minutes in minutes_of.items():
        yield frozenset(minutes), all_hours


def _field(numbers: frozenset[int], everything: frozenset[int]) -> str:
    return "*" if numbers == everything else ",".join(map(str, sorted(numbers)))
