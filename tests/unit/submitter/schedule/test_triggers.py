"""What wakes up a scheduler that only knows UTC: never too late, never too seldom."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submitter.schedule.instants import Schedule
from submitter.schedule.triggers import triggers

ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Pacific/Apia", "America/Santiago", "Pacific/Kiritimati", "Pacific/Pago_Pago"),
]
DAYS = st.sampled_from(["*", "1", "31", "1,15", "L", "LW", "*/2", "28-31", "1-31"])
WEEKDAYS = st.sampled_from(["*", "0", "7", "MON-FRI", "SUN,SAT", "MON#1", "5L", "*/2", "0-6"])
MONTHS = st.sampled_from(["*", "3", "1,12", "*/3"])


@settings(max_examples=60)
@given(
    minute=st.integers(0, 59),
    hour=st.sampled_from(["0", "23", "2", "*", "*/6", "1,22"]),
    days=DAYS,
    months=MONTHS,
    weekdays=WEEKDAYS,
    zone=st.sampled_from(ZONES),
    days_ahead=st.integers(1, 700),
)
def test_every_instant_has_a_trigger(
    minute: int, hour: str, days: str, months: str, weekdays: str, zone: str, days_ahead: int
) -> None:
    """At the instant itself, or within the hour after one that the clocks moved."""
    schedule = Schedule(f"{minute} {hour} {days} {months} {weekdays}", zone)
    crons = [Schedule(each.cron) for each in triggers(schedule)]
    begin = datetime.now(timezone.utc)
    end = begin + timedelta(days=days_ahead)
    for instant in schedule.newest(begin, end, 10):
        woken = min(filter(None, (each.next(instant - timedelta(seconds=1)) for each in crons)))
        moved = schedule.local(instant).minute != minute
        assert woken - instant < timedelta(hours=1 if moved else 0, seconds=1)


@pytest.mark.parametrize(
    ("cron", "zone", "lines"),
    [
        ("30 2 * * *", "UTC", ["30 2 * * *"]),
        ("30 2 * * *", "Europe/Berlin", ["30 0,1 * * *"]),
        ("30 2 * * *", "America/New_York", ["30 6,7 * * *"]),
        ("30 2 * * *", "Asia/Kathmandu", ["45 20 * * *"]),
        ("30 2 * * *", "Australia/Lord_Howe", ["0 16 * * *", "30 15 * * *"]),
        ("0 * * * *", "Europe/Berlin", ["0 * * * *"]),
        ("0 0 * * MON", "Europe/Berlin", ["0 22,23 * * 0"]),
        ("0 1 * * MON", "Europe/Berlin", ["0 0 * * 1", "0 23 * * 0"]),
        ("0 12 1 * MON", "UTC", ["0 12 * * 1", "0 12 1 * *"]),
        ("0 0 1 3 *", "Europe/Berlin", ["0 22,23 28,29,30,31 2,3 *"]),
    ],
)
def test_the_lines_are_few(cron: str, zone: str, lines: list[str]) -> None:
    """One line where one is enough, and days that move with midnight."""
    assert [each.cron for each in triggers(Schedule(cron, zone))] == lines
