"""Keeping a schedule, with a turned clock and hand-written runs: no double, no miss."""

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from submitter.errors import FolderError, InputError, ServiceError
from submitter.schedule import keeping
from submitter.schedule.due import CatchUp
from submitter.schedule.instants import Schedule
from submitter.schedule.keeping import Keeper
from submitter.schedule.state import State

UTC = timezone.utc
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIGHTLY = Schedule("30 2 * * *", "Europe/Berlin")


class StoppedError(Exception):
    """The power is cut."""


@dataclass
class TurnedClock:
    """A clock that jumps when somebody sleeps, and cuts the power at a time."""

    time: datetime = BEGIN
    end: datetime = BEGIN + timedelta(days=365)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds + 0.01)
        if self.time > self.end:
            raise StoppedError


@dataclass
class PlayedRuns:
    """Runs that take a while; two for one instant are a mistake."""

    clock: TurnedClock
    lasting: timedelta = timedelta(minutes=20)
    began: dict[datetime, datetime] = field(default_factory=dict)
    most_at_once: int = 0
    trouble: list[Exception] = field(default_factory=list)

    def find(self, instant: datetime) -> str | None:
        return f"{instant:%m%dT%H%M}" if instant in self.began else None

    def going(self) -> str | None:
        now = self.clock.now()
        ids = [
            f"{each:%m%dT%H%M}" for each, began in self.began.items() if now < began + self.lasting
        ]
        return ids[0] if ids else None

    def submit(self, instant: datetime) -> str:
        if self.trouble:
            raise self.trouble.pop()
        assert instant not in self.began
        self.began[instant] = self.clock.now()
        now = self.clock.now()
        going = sum(now < began + self.lasting for began in self.began.values())
        self.most_at_once = max(self.most_at_once, going)
        return f"{instant:%m%dT%H%M}"


@dataclass
class World:
    """A machine with a schedule that is switched off and on again."""

    file: Path
    schedule: Schedule = NIGHTLY
    clock: TurnedClock = field(default_factory=TurnedClock)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runs = PlayedRuns(self.clock)

    def keeper(self, catch_up: CatchUp = "latest", **changes: object) -> Keeper:
        return Keeper(
            self.schedule,
            self.runs,
            state=State(self.file),
            clock=self.clock,
            catch_up=catch_up,
            on_event=self.said.append,
            **changes,  # type: ignore[arg-type]
        )

    def loop_until(self, end: datetime, catch_up: CatchUp = "latest", **changes: object) -> None:
        """Keep the schedule until the power is cut."""
        self.clock.end = end
        with pytest.raises(StoppedError):
            self.keeper(catch_up, **changes).for_ever()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Make a machine that is just being switched on."""
    return World(tmp_path / "memory" / "state.json")


@pytest.mark.parametrize("catch_up", ["none", "latest", "all"])
@pytest.mark.parametrize("seed", range(3))
def test_pain_19_a_year_with_random_downtimes(
    world: World, catch_up: CatchUp, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each policy runs what it promises, each instant once, and nothing because it was started."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    # A machine that dozes for hours between two looks: a year is over sooner.
    monkeypatch.setattr(keeping, "_LONGEST_NAP", 7200.0)
    end = BEGIN + timedelta(days=365)
    everything = NIGHTLY.newest(BEGIN, end, 1000)
    up: list[tuple[datetime, datetime]] = []
    while world.clock.time < end:
        start = world.clock.time
        stop = min(end, start + timedelta(hours=chance.uniform(0.1, 120)))
        world.loop_until(stop, catch_up, overlap="queue")
        up.append((start, stop))
        world.clock.time = stop + timedelta(hours=chance.uniform(0.0, 90))
    ran = set(world.runs.began)
    assert ran <= set(everything)
    awake = {each for each in everything for start, stop in up if start < each < stop}
    assert awake <= ran
    starts = [start for start, _ in up[1:]]
    known = [each for each in everything if each <= starts[-1]]
    if catch_up == "all":
        assert set(known) <= ran
    missed = [
        [each for each in everything if before < each <= start]
        for (_, before), start in zip(up, starts, strict=False)
    ]
    if catch_up == "latest":
        assert ran - awake == {each[-1] for each in missed if each}
    if catch_up == "none":
        on_time = timedelta(hours=1)
        late = {
            each[-1]
            for each, now in zip(missed, starts, strict=True)
            if each and now - each[-1] <= on_time
        }
        assert ran - awake == late
    assert world.runs.most_at_once == 1


def test_a_crash_between_submit_and_memory_is_harmless(world: World) -> None:
    """The next look finds the run by its id."""
    world.keeper(since=BEGIN - timedelta(days=1)).once()
    [instant] = world.runs.began
    world.file.write_text(json.dumps({"handled": (instant - timedelta(days=9)).isoformat()}))
    keeper = world.keeper("all", overlap="queue")
    keeper.once()
    assert len(world.runs.began) == 9
    before = dict(world.runs.began)
    world.file.unlink()
    world.keeper("all", since=BEGIN - timedelta(days=5), overlap="queue").once()
    assert world.runs.began == before


def test_the_first_look_runs_nothing(world: World) -> None:
    """A schedule that was just made begins with its next instant."""
    world.keeper("all").once()
    assert world.runs.began == {}
    world.clock.time += timedelta(days=1)
    world.keeper().once()
    assert list(world.runs.began) == [datetime(2026, 1, 2, 1, 30, tzinfo=UTC)]


def test_a_long_run_is_waited_for_or_skipped(world: World) -> None:
    """Skipping is said and not made up for; with a queue all come, one after the other."""
    world.schedule = Schedule("0 * * * *")
    world.runs.lasting = timedelta(minutes=150)
    world.loop_until(BEGIN + timedelta(hours=9, minutes=59), overlap="skip")
    assert [each.hour for each in world.runs.began] == [13, 16, 19]
    assert sum("skipped" in each for each in world.said) == 6
    world.loop_until(BEGIN + timedelta(hours=30), overlap="queue")
    queued = [each for each in world.runs.began if each.hour >= 22 or each.day == 2]
    assert len(queued) >= 5
    assert [b - a for a, b in pairwise(queued)] == [timedelta(hours=1) for _ in queued[1:]]
    assert world.runs.most_at_once == 1


def test_what_fails_is_tried_again(world: World) -> None:
    """In a loop each minute, said once; a single look ends with the error, and stays due."""
    world.runs.trouble = [ServiceError("Azure is away.") for _ in range(5)]
    world.loop_until(BEGIN + timedelta(days=1))
    [began] = world.runs.began.values()
    assert (
        timedelta(minutes=4)
        < began - datetime(2026, 1, 2, 1, 30, tzinfo=UTC)
        < timedelta(minutes=7)
    )
    assert world.said.count("Azure is away. Trying again every 60 s.") == 1
    world.runs.trouble = [ServiceError("Azure is away.")]
    world.clock.time += timedelta(days=1)
    with pytest.raises(ServiceError):
        world.keeper().once()
    world.keeper().once()
    assert len(world.runs.began) == 2


def test_a_month_of_minutes_is_bounded(world: World) -> None:
    """The newest run, and it is said that older ones do not, and how to have them."""
    world.schedule = Schedule("* * * * *")
    world.runs.lasting = timedelta(0)
    world.keeper("all", since=BEGIN - timedelta(days=30), overlap="queue", most=100).once()
    assert len(world.runs.began) == 100
    assert max(world.runs.began) == BEGIN
    [said] = [each for each in world.said if "More than 100 instants are due" in each]
    assert "before 2026-01-01T10:21:00+00:00 are left out. For more at once: --most" in said


def test_a_queue_that_only_grows_is_bounded(world: World) -> None:
    """What waits longest is given up, and named."""
    world.schedule = Schedule("* * * * *")
    world.runs.lasting = timedelta(days=9)
    world.loop_until(BEGIN + timedelta(minutes=30), overlap="queue", most=10)
    assert len(world.runs.began) == 1
    assert any("left out, too many wait" in each for each in world.said)


@pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(days=-400)])
def test_a_clock_that_is_set_back_runs_nothing_twice_and_stops_nothing(
    world: World, jump: timedelta
) -> None:
    """Neither in a loop nor by a memory that lies in the future."""
    world.schedule = Schedule("0 * * * *")
    world.loop_until(BEGIN + timedelta(hours=5))
    world.clock.time += jump
    world.clock.end = world.clock.time + timedelta(hours=5)
    begun = dict(world.runs.began)
    world.loop_until(world.clock.end)
    assert begun.items() <= world.runs.began.items()
    assert (
        len({each for each in world.runs.began if each > world.clock.time - timedelta(hours=5)})
        >= 4
    )


def test_a_memory_from_a_clock_that_ran_ahead_is_said_and_set_right(world: World) -> None:
    """Once: from then on each night runs, as before."""
    world.file.parent.mkdir()
    world.file.write_text('{"handled": "2999-12-31T23:59:59+00:00"}')
    for _ in range(3):
        world.keeper(since=world.clock.time - timedelta(minutes=59)).once()
        world.clock.time += timedelta(days=1)
    assert [each.day for each in world.runs.began] == [2, 3]
    [said] = [each for each in world.said if "clock" in each]
    assert said == (
        "The schedule's state says that all is handled up to 2999-12-31T23:59:59+00:00, which is "
        "still to come: the clock was ahead. The schedule goes on from 2026-01-01T12:01:00+01:00 "
        "on."
    )
    world.file.write_text('{"handled": "9999-12-31T23:59:59+00:00"}')
    world.keeper().once()
    assert State(world.file).handled() == world.clock.time


def test_an_instant_that_is_seen_twice_runs_once(world: World) -> None:
    """After a clock was set back by a little, as a time server does."""
    world.clock.time = datetime(2026, 1, 2, 1, 30, 1, tzinfo=UTC)
    for seconds in (0, -3, 5):
        world.clock.time += timedelta(seconds=seconds)
        world.keeper(since=world.clock.time - timedelta(minutes=59)).once()
    assert list(world.runs.began) == [datetime(2026, 1, 2, 1, 30, tzinfo=UTC)]


def test_a_memory_that_is_none_is_named(tmp_path: Path) -> None:
    """Neither a broken file nor a folder is taken for a first look."""
    before_the_calendar = '{"handled": "0001-01-01T00:00:00+14:00"}'
    texts = ("", "{}", "[]", '{"handled": 3}', '{"handled": "soon"}', before_the_calendar)
    for text in (*texts, "[" * 100_000):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(InputError, match="broken.json is no schedule's state"):
            State(tmp_path / "broken.json").handled()
    with pytest.raises(InputError, match="cannot be read"):
        State(tmp_path).handled()
    with pytest.raises(FolderError, match="--state"):
        State(tmp_path / "broken.json" / "below").remember(BEGIN)
    assert [each.name for each in tmp_path.iterdir()] == ["broken.json"]
