"""What the verbs of `submitter runs` print: spans, ages, logs among notices."""

import io
from datetime import datetime, timedelta, timezone

import pytest

from submitter.cli.following import span
from submitter.cli.log_screen import LogScreen
from submitter.cli.output import print_rows
from submitter.cli.runs.listing import moment_of, tags_of
from submitter.errors import InputError


class Terminal(io.TextIOWrapper):
    """A stream that is, or is not, a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def shown(self) -> bytes:
        """What came through so far."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


def test_a_character_torn_between_two_pieces_is_shown_whole() -> None:
    """At a terminal; a pipe gets the bytes as they come."""
    piped, seen = Terminal(terminal=False), Terminal(terminal=True)
    for stream, halves in ((piped, [b"caf\xc3", b"caf\xc3\xa9"]), (seen, [b"caf", b"caf\xc3\xa9"])):
        screen = LogScreen(stream)
        screen.write(b"caf\xc3")
        first = stream.shown
        screen.write(b"\xa9")
        assert [first, stream.shown] == halves


def test_the_half_of_a_character_at_the_end_is_not_lost() -> None:
    """It is shown as what it is: no character."""
    stream = Terminal(terminal=True)
    screen = LogScreen(stream)
    screen.write(b"caf\xc3")
    screen.finish()
    assert stream.shown.decode() == "caf\ufffd"


def test_a_notice_does_not_stand_in_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """At a terminal, where both are seen together."""
    for terminal, said in ((True, "\nstatus\n"), (False, "status\n")):
        stream = Terminal(terminal=terminal)
        screen = LogScreen(stream)
        screen.write(b"unfinished")
        screen.say("status")
        assert capsys.readouterr().err == said
        screen.write(b"line\n")
        screen.say("status")
        assert capsys.readouterr().err == "status\n"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.4, "0 s"),
        (35, "35 s"),
        (250, "4 min 10 s"),
        (3 * 3600 + 300, "3 h 5 min"),
        (59.9, "1 min 0 s"),
        (2 * 86400 + 4 * 3600, "2 d 4 h"),
    ],
)
def test_spans_are_written_as_people_say_them(seconds: float, written: str) -> None:
    """Two units at most."""
    assert span(seconds) == written


@pytest.mark.parametrize(
    ("age", "past"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2d", timedelta(days=2)),
        ("12h", timedelta(hours=12)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_an_age_is_a_moment(age: str, past: timedelta) -> None:
    """Seconds to weeks, or a date."""
    assert abs(datetime.now(timezone.utc) - past - moment_of(age)) < timedelta(seconds=10)
    assert moment_of("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert moment_of("2026-01-31").tzinfo is not None


@pytest.mark.parametrize("age", ["", "2", "2 fortnights", "d2", "99999999999999w"])
def test_what_is_no_age_is_refused(age: str) -> None:
    """With what would be one."""
    with pytest.raises(InputError, match="no age such as 30m"):
        moment_of(age)


def test_tags_may_have_no_value() -> None:
    """NAME asks for any, NAME= for none."""
    assert tags_of(["a", "b=", "c=d=e"]) == {"a": None, "b": "", "c": "d=e"}


def test_no_cell_breaks_a_row_of_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of several lines, a name with a tab."""
    print_rows(["a", "b"], [["x\ty", "one\ntwo"]])
    assert capsys.readouterr().out == "x y\tone two\n"
