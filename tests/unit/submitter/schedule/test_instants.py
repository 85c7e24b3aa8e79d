"""The instants of a cron: each local time once, by a second, slow and obvious way to count them."""

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from submitter.errors import InputError
from submitter.schedule.instants import Schedule

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Pacific/Apia", "America/Santiago", "America/Havana", "Africa/Casablanca", "Europe/Dublin"),
    *("Asia/Beirut", "Atlantic/Azores", "Pacific/Chatham", "America/St_Johns"),
]


def field(low: int, high: int, most: int) -> st.SearchStrategy[str]:
    """Make a field: numbers, a range, a step, a star."""
    numbers = st.lists(st.integers(low, high), min_size=1, max_size=most, unique=True)
    return st.one_of(
        st.just("*"),
        numbers.map(lambda found: ",".join(map(str, found))),
        st.integers(2, max(2, high // 2)).map(lambda step: f"*/{step}"),
        st.integers(low, high - 1).map(lambda first: f"{first}-{high}"),
    )


CRONS = st.tuples(
    field(0, 59, 4),
    field(0, 23, 4),
    st.one_of(st.just("*"), field(1, 28, 3)),
    st.just("*"),
    st.one_of(st.just("*"), field(0, 6, 3)),
).map(" ".join)


def expected(cron: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """Walk over all local minutes one by one, and over the real ones if the hours are all hours."""
    tz, days, found = ZoneInfo(zone), CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)), set()

    def matches(local: datetime) -> bool:
        return (
            local.minute in days.minutes
            and local.hour in days.hours
            and local.month in days.months
            and days.match_day(local.date())
        )

    if days.hours >= set(range(24)):
        real = begin
        while real <= end:
            if matches(real.astimezone(tz)):
                found.add(real)
            real += MINUTE
    else:
        local = begin.astimezone(tz).replace(tzinfo=None) - timedelta(hours=27)
        last = end.astimezone(tz).replace(tzinfo=None)
        while local <= last:
            if matches(local):
                found.add(once(local, tz))
            local += MINUTE
    return sorted(each for each in found if begin < each <= end)


def once(local: datetime, tz: ZoneInfo) -> datetime:
    """Return the first instant at which clocks show a time, or the first after they skipped it."""
    while True:
        instant = local.replace(tzinfo=tz).astimezone(UTC)
        if instant.astimezone(tz).replace(tzinfo=None) == local:
            return instant
        local += MINUTE


def changes(zone: str, year: int) -> list[date]:
    """Return the days of a year on which a zone's offset changes."""
    tz, hour = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    hours = [hour + timedelta(hours=each) for each in range(365 * 24)]
    return [
        after.astimezone(tz).date()
        for before, after in pairwise(hours)
        if before.astimezone(tz).utcoffset() != after.astimezone(tz).utcoffset()
    ]


@settings(max_examples=60)
@given(data=st.data(), zone=st.sampled_from(ZONES), cron=CRONS, year=st.integers(2005, 2037))
def test_each_local_time_comes_once_around_every_change(
    data: st.DataObject, zone: str, cron: str, year: int
) -> None:
    """The same instants as by counting minutes, strictly increasing, wherever one begins."""
    days = changes(zone, year) or [date(year, 6, 1)]
    day = data.draw(st.sampled_from(days))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=20)
    end = begin + timedelta(hours=56)
    schedule = Schedule(cron, zone)
    wanted = expected(cron, zone, begin, end)
    found = schedule.newest(begin, end, 10_000)
    assert found == wanted
    assert all(a < b for a, b in pairwise(found))
    later = begin + timedelta(minutes=data.draw(st.integers(0, 56 * 60)), seconds=7)
    assert schedule.newest(later, end, 10_000) == [each for each in wanted if each > later]
    assert schedule.newest(begin, end, 3) == wanted[-3:]


@pytest.mark.parametrize(
    ("zone", "cron", "day", "runs"),
    [
        ("Europe/Berlin", "30 2 * * *", "2027-03-28", ["03:00:00+02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", ["02:30:00+02:00"]),
        ("Europe/Berlin", "0,15,30 2 * * *", "2027-03-28", ["03:00:00+02:00"]),
        ("Europe/Berlin", "*/30 2 * * *", "2026-10-25", ["02:00:00+02:00", "02:30:00+02:00"]),
        ("Europe/Berlin", "*/30 2 * * *", "2027-03-28", ["03:00:00+02:00"]),
        ("America/New_York", "30 2 * * *", "2027-03-14", ["03:00:00-04:00"]),
        ("America/New_York", "30 1 * * *", "2026-11-01", ["01:30:00-04:00"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", ["02:30:00+11:00"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2027-04-04", ["01:45:00+11:00"]),
        ("Asia/Kathmandu", "30 2 * * *", "2027-03-28", ["02:30:00+05:45"]),
        ("Pacific/Apia", "30 2 * * *", "2011-12-31", ["00:00:00+14:00", "02:30:00+14:00"]),
        ("America/Santiago", "30 0 * * *", "2026-09-06", ["01:00:00-03:00"]),
    ],
)
def test_pain_19_no_night_is_doubled_or_skipped(
    zone: str, cron: str, day: str, runs: list[str]
) -> None:
    """What does not exist comes at once after the gap, and what exists twice comes once."""
    assert on(day, cron, zone) == runs


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/Berlin", "2027-03-28", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2027-03-14", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Asia/Kathmandu", "2026-10-25", 24),
        ("Pacific/Apia", "2011-12-30", 0),
        ("Pacific/Apia", "2011-12-31", 24),
    ],
)
def test_an_hourly_cron_runs_in_every_real_hour(zone: str, day: str, count: int) -> None:
    """However its hours are written."""
    assert len(on(day, "0 * * * *", zone)) == count
    assert (
        on(day, "0 0-23 * * *", zone) == on(day, "0 */1 * * *", zone) == on(day, "0 * * * *", zone)
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_year_has_as_many_nights_as_days(zone: str) -> None:
    """One run for each date, whatever the clocks do."""
    schedule = Schedule("30 2 * * *", zone)
    begin = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
    nights = Counter(schedule.local(each).date() for each in islice(schedule.after(begin), 365))
    assert (len(nights), set(nights.values())) == (365, {1})


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "has 0 fields"),
        ("* * * * * *", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 * * MON#1/2", "bad day-of-week"),
        ("0 0 29 2,4/0 *", "bad month"),
        ("nightly at half two oclock", "bad minute"),
    ],
)
def test_a_wrong_cron_is_refused(cron: str, said: str) -> None:
    """With the field that is wrong and an example."""
    with pytest.raises(InputError, match=said) as caught:
        Schedule(cron)
    assert "30 2 * * *" in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("../etc/passwd", None),
        ("localtime", None),
        ("Europe", None),
        ("", None),
    ],
)
def test_a_wrong_zone_is_refused_with_the_nearest_name(zone: str, meant: str | None) -> None:
    """Also one in another case, or a city alone."""
    with pytest.raises(InputError, match="There is no time zone") as caught:
        Schedule("0 0 * * *", zone)
    assert meant is None or f"Did you mean '{meant}'?" in str(caught.value)


def test_no_day_after_a_spans_end_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next instant may be years ahead; a look that is a year late does not walk there."""
    asked: list[date] = []
    match_day = CronSim.match_day

    def counted(self: CronSim, day: date) -> bool:
        asked.append(day)
        return match_day(self, day)

    schedule = Schedule("* * 29 2 *", "Europe/Berlin")
    monkeypatch.setattr(CronSim, "match_day", counted)
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert schedule.newest(begin, end, 1) == []
    assert max(asked) <= end.date()


def test_a_span_from_the_calendars_begin_on_has_its_newest() -> None:
    """However few they are."""
    begin = datetime.min.replace(tzinfo=UTC)
    found = Schedule("0 0 29 2 *").newest(begin, datetime(5, 1, 1, tzinfo=UTC), 9)
    assert found == [datetime(4, 2, 29, tzinfo=UTC)]


def test_the_calendars_end_is_no_error() -> None:
    """After the year 9999 nothing comes."""
    end = datetime(9999, 12, 31, 23, 58, tzinfo=UTC)
    assert len(list(Schedule("* * * * *").after(end))) <= 1
    assert Schedule("30 2 * * *", "Europe/Berlin").next(end) is None


def on(day: str, cron: str, zone: str) -> list[str]:
    """Return the times, as clocks show them, of the instants on a local day."""
    schedule = Schedule(cron, zone)
    middle = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    found = schedule.newest(middle - timedelta(days=2), middle + timedelta(days=2), 10_000)
    local = [schedule.local(each).isoformat() for each in found]
    return [each.partition("T")[2] for each in local if each.startswith(day)]
