"""The instants of a cron in a time zone, each local time once, also when clocks change.

The rules, which `Schedule` keeps in every zone:

- A cron whose hours are all hours (`0 * * * *`, `*/5 * * * *`) runs in every real hour: 23 or 25
  times a day on the days when clocks change.
- Any other cron runs once for each local time that it names. One that the clocks skip runs at the
  first instant after the gap (several of one gap are one run); one that they show twice runs at the
  first.

For times such as `30 2 * * *` these are the rules of Debian's cron, which cronsim plays. Debian's
decides by whether a field begins with `*`, so that it drops `*/15 2 * * *` in the spring and runs
`0 */2 * * *` twice in the autumn; here a cron means the same however it is written. Debian's takes
a gap of three hours and more (Apia's skipped day) for a clock that was set; here it is a gap.
"""

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from cronsim import CronSim, CronSimError

from remote_entry.marked_yaml import nearest
from submitter.errors import InputError

ALL_HOURS = frozenset(range(24))
_FIELDS = 5
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_MORNING, _EVENING = 3, 20  # hours that are far from midnight, whatever clocks do
_YEARS = 50  # without an instant: there is none
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime.max.replace(tzinfo=timezone.utc)
_FIRST_WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class Schedule:
    """A cron in a time zone.

    Attributes:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        zone: The zone's IANA name.
        parsed: The cron's fields as sets of numbers.

    Raises:
        InputError: No cron, one that never comes, or no zone.
    """

    cron: str
    zone: str = "UTC"
    parsed: CronSim = field(init=False, repr=False, compare=False)
    _zone: zoneinfo.ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", _zone_of(self.zone))
        object.__setattr__(self, "parsed", _parsed(self.cron))
        if next(self.after(_EPOCH), None) is None:
            raise InputError(f"The cron '{self.cron}' never comes: no year has such a day.")

    def after(self, moment: datetime, until: datetime = _LATEST) -> Iterator[datetime]:
        """Return the instants after a moment, in UTC, strictly increasing.

        Args:
            moment: With a time zone; itself not included. Which instants come does not depend on it
                otherwise.
            until: The end, itself included. The next instant may be years ahead, and nobody looks
                for it beyond this.
        """
        begin = moment.astimezone(timezone.utc)
        in_every_real_hour = self.parsed.hours >= ALL_HOURS
        find = self._real_minutes if in_every_real_hour else self._named
        try:
            yield from find(begin, until)
        except (OverflowError, ValueError):  # the calendar ends with the year 9999
            return

    def _named(self, begin: datetime, until: datetime) -> Iterator[datetime]:
        """Return the instants of local times that are named one by one."""
        # Without a star cronsim takes them for such, whatever the cron looks like.
        _, _, *days = self.cron.split()
        plain = " ".join([_listed(self.parsed.minutes), _listed(self.parsed.hours), *days])
        for local in CronSim(plain, begin.astimezone(self._zone)):
            instant = local.astimezone(timezone.utc)
            if instant > until:
                return
            # cronsim starts from the local time, which exists twice when clocks go back.
            if instant > begin:
                yield instant

    def _real_minutes(self, begin: datetime, until: datetime) -> Iterator[datetime]:
        """Return the real minutes at which clocks show what the cron names, in all hours.

        Not by cronsim 2.8: there it passes over a run where clocks change by half an hour, and
        does not come to an end where they change at midnight.
        """
        days, minutes, found_in = self.parsed, self.parsed.minutes, begin.year
        instant = begin.replace(second=0, microsecond=0) + _MINUTE
        while instant <= until and instant.year <= found_in + _YEARS:
            local = instant.astimezone(self._zone)
            if local.month not in days.months or not days.match_day(local.date()):
                # Minute by minute where the day may change, for clocks change at odd minutes too.
                instant += _HOUR if _MORNING <= local.hour <= _EVENING else _MINUTE
                continue
            if local.minute in minutes:
                found_in = instant.year
                yield instant
            instant += _MINUTE

    def newest(self, begin: datetime, until: datetime, most: int) -> list[datetime]:
        """Return the newest instants of a span, oldest first, however long it is.

        Args:
            begin: The span's begin, itself not included.
            until: The span's end, itself included.
            most: How many at most.
        """
        window = _FIRST_WINDOW
        while True:
            start = until - min(window, until - begin)
            found = list(self.after(start, until))
            if len(found) >= most or start == begin:
                return found[-most:]
            window *= 2

    def next(self, moment: datetime) -> datetime | None:
        """Return the first instant after a moment; `None` after the calendar's last."""
        return next(self.after(moment), None)

    def local(self, instant: datetime) -> datetime:
        """Return an instant as clocks of the zone show it."""
        return instant.astimezone(self._zone)

    @property
    def offsets(self) -> frozenset[timedelta]:
        """What local time is ahead of UTC by, at any time of the coming two years."""
        today = datetime.now(timezone.utc)
        return frozenset(
            (today + timedelta(days=day)).astimezone(self._zone).utcoffset() or timedelta()
            for day in range(2 * 366)
        )


def _parsed(cron: str) -> CronSim:
    form = (
        "A cron has five fields, minute hour day-of-month month day-of-week, as in '30 2 * * *': "
        "every night at half past two."
    )
    if len(cron.split()) != _FIELDS:
        raise InputError(f"'{cron}' is no cron: it has {len(cron.split())} fields. {form}")
    try:
        return CronSim(cron, _EPOCH)
    except CronSimError as error:
        raise InputError(f"'{cron}' is no cron: {str(error).lower()}. {form}") from None
    except (AssertionError, TypeError, ValueError):  # such as a step after '#' or 'L'
        raise InputError(f"'{cron}' is no cron. {form}") from None


def _listed(numbers: set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _zone_of(name: str) -> zoneinfo.ZoneInfo:
    try:
        if name != "localtime":  # on some systems a file beside the zones: no zone's name
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    known = zoneinfo.available_timezones() - {"localtime"}
    by_case = {each.lower(): each for each in known}
    meant = by_case.get(name.lower())
    hint = f" Did you mean '{meant}'?" if meant else nearest(name, known) or _by_city(name, known)
    raise InputError(
        f"There is no time zone '{name}'.{hint} Zones have IANA names, such as Europe/Berlin, "
        "America/New_York or UTC."
    )


def _by_city(name: str, known: set[str]) -> str:
    cities = {each.rpartition("/")[2].lower(): each for each in sorted(known, reverse=True)}
    city = name.rpartition("/")[2].strip().lower().replace(" ", "_")
    return f" Did you mean '{cities[city]}'?" if city in cities else ""
