"""Following a run: every byte once, in order, to the end, whatever happens on the way."""

from collections.abc import Callable

import pytest
from support.scripted_run import LOG, ScriptedRun, TurnedClock

from submitter.backends.base import LOG_PIECE, BusyError, RunDetails
from submitter.errors import InputError, NotFoundError, ServiceError, SignInError
from submitter.runs.follow import follow, follow_patience
from submitter.runs.log_names import main_log, short_name

Step = tuple[float, Callable[[], object]]


class Followed:
    """A following that has ended, and what it passed on."""

    def __init__(self, run: ScriptedRun, *steps: Step, **options: object) -> None:
        self.time = TurnedClock(events=list(steps))
        self.log = bytearray()
        self.arrivals: list[tuple[float, bytes]] = []
        self.statuses: list[str] = []
        self.notices: list[str] = []
        self.details: RunDetails = follow(
            run,
            write=self._write,
            on_status=self.statuses.append,
            on_notice=self.notices.append,
            clock=self.time.clock,
            **options,  # type: ignore[arg-type]
        )

    def _write(self, piece: bytes) -> None:
        self.log.extend(piece)
        self.arrivals.append((self.time.now, piece))


def write(run: ScriptedRun, text: bytes, log: str = LOG) -> Callable[[], None]:
    """Return what adds to a log."""

    def step() -> None:
        run.content[log] = run.content.get(log, b"") + text

    return step


def state(run: ScriptedRun, status: str) -> Callable[[], None]:
    """Return what takes a run to a status."""
    return lambda: setattr(run, "state", status)


def test_the_log_arrives_whole_and_once() -> None:
    """Pieces are asked for by offset, even where one ends inside a character."""
    run = ScriptedRun()
    done = Followed(
        run,
        (2, state(run, "Running")),
        (3, write(run, b"caf\xc3")),
        (5, write(run, b"\xa9\nend\n")),
        (6, state(run, "Completed")),
    )
    assert (done.details.status, done.log.decode()) == ("Completed", "café\nend\n")
    assert done.statuses == ["Queued", "Running", "Completed"]


@pytest.mark.parametrize("age", [0, 10, 120, 300, 86_400])
def test_pain_9_a_line_arrives_within_two_seconds_at_any_age(age: float) -> None:
    """Pain 9, azure-cli#27363 and azureml-examples#2190: the log stream is silent or late."""
    run = ScriptedRun("Running", {LOG: b"first\n"})
    lines = [b"line %d\n" % number for number in range(20)]
    written = [(age + 0.37 * number, write(run, line)) for number, line in enumerate(lines)]
    done = Followed(run, *written, (age + 30, state(run, "Completed")))
    arrived = {piece: at for at, piece in done.arrivals}
    assert bytes(done.log) == b"first\n" + b"".join(lines)
    for number, line in enumerate(lines):
        at = next(at for pieces, at in arrived.items() if line in pieces)
        assert at - (age + 0.37 * number) <= 2


def test_a_line_after_a_day_in_the_queue_arrives_within_two_seconds() -> None:
    """While a run waits its status is asked for each second, and nothing else."""
    run = ScriptedRun("Queued")
    done = Followed(
        run,
        (86_400, state(run, "Running")),
        (86_400.1, write(run, b"first\n")),
        (86_410, state(run, "Completed")),
    )
    assert done.arrivals[0][0] - 86_400.1 <= 2
    assert run.asked["details"] <= 3


def test_a_run_of_a_day_costs_about_one_request_a_second() -> None:
    """At most two in any second, as for a run that has just begun."""
    run = ScriptedRun("Running", {LOG: b"first\n"})
    Followed(run, (86_400, state(run, "Completed")))
    assert sum(run.asked.values()) < 86_400 * 1.25
    young = ScriptedRun("Running", {LOG: b"first\n"})
    Followed(young, (60, state(young, "Completed")))
    assert sum(young.asked.values()) <= 60 * 2 + 10


def test_the_end_of_a_quiet_run_is_seen_soon() -> None:
    """Within a second in the first minute, within five seconds later."""
    for end in (20.0, 1000.0):
        run = ScriptedRun("Running", {LOG: b""})
        done = Followed(run, (end, state(run, "Completed")))
        assert done.time.now - end <= (1 if end < 60 else 5)


def test_a_large_log_arrives_in_pieces() -> None:
    """Without a wait between them."""
    log = bytes(range(256)) * (LOG_PIECE // 128) + b"x"
    done = Followed(ScriptedRun("Completed", {LOG: log}))
    assert bytes(done.log) == log
    assert done.time.waits == []


def test_a_status_can_be_watched_without_its_log() -> None:
    """Nothing is downloaded to be thrown away."""
    run, time = ScriptedRun("Running", {LOG: b"a"}), TurnedClock()
    time.events.append((3, state(run, "Completed")))
    assert follow(run, clock=time.clock).status == "Completed"
    assert "log" not in run.asked


def test_the_last_lines_of_a_failed_run_arrive() -> None:
    """The end of the log is read after the status is final."""
    run = ScriptedRun("Running", {LOG: b"a\n"})

    def fail() -> None:
        run.state = "Failed"
        run.content[LOG] += b"Traceback\n"

    done = Followed(run, (3, fail))
    assert (done.details.status, bytes(done.log)) == ("Failed", b"a\nTraceback\n")
    assert done.statuses == ["Running", "Failed"]


def test_a_run_without_a_log_ends_too() -> None:
    """A run that was canceled in the queue never wrote one."""
    run = ScriptedRun()
    done = Followed(run, (3, state(run, "Canceled")))
    assert (done.details.status, bytes(done.log)) == ("Canceled", b"")


def test_a_run_whose_image_could_not_be_built_says_where_to_look() -> None:
    """Its command wrote nothing, and the service's own logs are not the run's."""
    run = ScriptedRun("Preparing", {"azureml-logs/20_image_build_log.txt": b"no such package"})
    done = Followed(run, (3, state(run, "Failed")))
    assert (bytes(done.log), len(done.notices)) == (b"", 1)
    assert "submitter runs logs e_1_0a1b2c3d --log NAME" in done.notices[0]
    assert "azureml-logs/20_image_build_log.txt" in done.notices[0]


def test_a_service_that_stumbles_is_asked_again() -> None:
    """Nothing is lost, nothing repeated, and a single stumble is nothing to tell."""
    run = ScriptedRun("Running", {LOG: b"a"}, log_error=[ServiceError("503")])
    done = Followed(run, (2, write(run, b"b")), (4, state(run, "Completed")))
    assert (bytes(done.log), done.notices) == (b"ab", [])


def test_a_network_that_is_gone_for_hours_is_said_once_and_once_that_it_is_back() -> None:
    """And the following goes on, if that was wished."""
    run = ScriptedRun("Running", {LOG: b"a"})

    def lose() -> None:
        run.error = [ServiceError("no network.")] * 1000
        run.log_error = [ServiceError("no storage.")] * 1000

    def find() -> None:
        run.error.clear()
        run.log_error.clear()
        write(run, b"b")()

    steps = ((5, lose), (7205, find), (7230, state(run, "Completed")))
    done = Followed(run, *steps, patience=float("inf"))
    assert bytes(done.log) == b"ab"
    said = [notice.split(",")[0] for notice in done.notices]
    assert sorted(said) == [
        "Azure ML answers again",
        "The storage of the log answers again",
        "no network. Trying on; the run itself goes on.",
        "no storage. Trying on; the run itself goes on.",
    ]


def test_a_service_that_stays_silent_ends_the_following_when_patience_does() -> None:
    """With how to come back; the pauses between the tries stay short."""
    run = ScriptedRun(error=[ServiceError("gone.")] * 1000)
    time = TurnedClock()
    with pytest.raises(ServiceError, match=r"gone. Gave up .* submitter runs follow e_1_0a1b2c3d"):
        follow(run, write=bytearray().extend, patience=60, clock=time.clock)
    assert 60 <= time.now <= 70
    assert max(time.waits) <= 5


def test_retry_after_is_kept() -> None:
    """A throttling service is asked when it said, and not before."""
    run = ScriptedRun("Running", {LOG: b"a"}, log_error=[BusyError("429.", 40)])
    done = Followed(run, (50, state(run, "Completed")))
    assert done.arrivals == [(40, b"a")]


def test_the_log_comes_while_azure_ml_does_not_answer() -> None:
    """The storage is another service."""
    run = ScriptedRun("Running", {LOG: b"a\n"})
    lines = [b"line %d\n" % second for second in range(10, 60)]
    steps = [(10.0 + number, write(run, line)) for number, line in enumerate(lines)]
    down = lambda: run.error.extend([BusyError("503.", 120)] * 1000)  # noqa: E731
    up = lambda: (run.error.clear(), state(run, "Completed")())  # noqa: E731
    done = Followed(run, (5, down), *steps, (100, up))
    assert bytes(done.log) == b"a\n" + b"".join(lines)
    assert all(at <= float(line.split()[1]) + 2 for at, line in done.arrivals[1:])


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    """Nor does one that is a little fast."""
    for jump in (-3600.0, 20.0):
        run, time = ScriptedRun("Running", {LOG: b"a"}), TurnedClock()
        set_clock = lambda time=time, jump=jump: setattr(time, "asleep", jump)  # noqa: E731
        time.events = [(5, set_clock), (6, write(run, b"b")), (20, state(run, "Completed"))]
        log, notices = bytearray(), list[str]()
        follow(run, write=log.extend, on_notice=notices.append, clock=time.clock)
        assert (bytes(log), notices) == (b"ab", [])


def test_an_expired_address_is_replaced_at_once() -> None:
    """Signed addresses are good for hours, runs take days."""
    run = ScriptedRun("Running", {LOG: b"a"})

    def expire() -> None:
        run.generation += 1
        run.content[LOG] += b"b"

    done = Followed(run, (10, expire), (20, state(run, "Completed")))
    assert (bytes(done.log), done.notices) == (b"ab", [])
    assert next(at for at, piece in done.arrivals if piece == b"b") - 10 <= 2


def test_a_laptop_that_slept_goes_on_where_it_left_off() -> None:
    """Its clock jumped, its connections are dead, its addresses have expired."""
    run = ScriptedRun("Running", {LOG: b"a"})
    time = TurnedClock()

    def sleep() -> None:
        time.asleep += 3 * 3600
        run.generation += 1
        run.content[LOG] += b"b" * 1000
        run.log_error = [ServiceError("dead connection")]

    time.events = [(10, sleep), (20, state(run, "Completed"))]
    log, notices = bytearray(), list[str]()
    follow(run, write=log.extend, on_notice=notices.append, clock=time.clock)
    assert bytes(log) == b"a" + b"b" * 1000
    assert notices == ["This machine slept for 10800 s; going on where it left off."]


def test_a_token_that_has_expired_is_replaced() -> None:
    """A 401 in the middle: sign in again, go on."""
    run = ScriptedRun("Running", {LOG: b"a"}, error=[])
    refuse = lambda: run.error.append(SignInError("refused (401)"))  # noqa: E731
    done = Followed(run, (5, refuse), (6, write(run, b"b")), (9, state(run, "Completed")))
    assert (bytes(done.log), run.signed_in_again) == (b"ab", 1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SignInError("refused."), "refused. .* Come back with: submitter runs follow e_1_0a1b2c3d"),
        (NotFoundError("no such run"), "no such run$"),
    ],
)
def test_a_refusal_that_stays_ends_the_following(error: Exception, said: str) -> None:
    """No patience makes a deleted run or a lost role come back."""
    with pytest.raises(type(error), match=said):
        Followed(ScriptedRun(error=[error] * 100), patience=float("inf"))


def test_a_log_that_is_written_anew_starts_again_and_says_so() -> None:
    """A run that was preempted is queued again; its log is another one."""
    for second in (b"second life\n", b"second life, and longer than the first\n" * 9):
        run = ScriptedRun("Running", {LOG: b"first life\n" * 20})
        begin = lambda run=run, second=second: run.content.update({LOG: second})  # noqa: E731
        done = Followed(run, (5, begin), (9, state(run, "Completed")))
        assert bytes(done.log) == b"first life\n" * 20 + second
        assert done.notices == [f"The log {LOG} was written anew; it starts again here."]


def test_a_log_that_is_away_for_a_moment_is_not_written_anew() -> None:
    """A storage may lose sight of a blob while it is replaced."""
    run = ScriptedRun("Running", {LOG: b"a\n"})
    away = lambda: run.content.update({LOG: b""})  # noqa: E731
    back = lambda: run.content.update({LOG: b"a\nb\n"})  # noqa: E731
    done = Followed(run, (3, away), (6, back), (9, state(run, "Completed")))
    assert (bytes(done.log), done.notices) == (b"a\nb\n", [])


def test_an_unreadable_log_does_not_hold_the_end_up() -> None:
    """The storage may be closed to laptops while Azure ML is not."""
    run = ScriptedRun("Running", {LOG: b"a"}, log_error=[ServiceError("closed.")] * 1000)
    done = Followed(run, (100, state(run, "Completed")), patience=float("inf"))
    assert done.details.status == "Completed"
    assert done.time.now < 140
    assert done.notices[0].startswith("closed. Trying on")
    assert "The end of the log could not be read" in done.notices[-1]


def test_all_logs_come_in_whole_lines_after_their_names() -> None:
    """Of all nodes, as they are written; a node that starts late included."""
    first, second = "user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"
    run = ScriptedRun("Running", {first: b"a0\na", "system_logs/x.log": b"noise\n"})
    done = Followed(
        run,
        (100, write(run, b"b0\n", second)),
        (102, write(run, b"1\nend", first)),
        (105, state(run, "Completed")),
        logs=["*"],
    )
    assert done.log.decode().splitlines() == [
        "std_log_process_0 | a0",
        "std_log_process_1 | b0",
        "std_log_process_0 | a1",
        "std_log_process_0 | end",
    ]
    assert next(at for at, piece in done.arrivals if b"b0" in piece) - 100 <= 2


def test_one_log_comes_as_it_is() -> None:
    """By its short name; what else there is stays away."""
    run = ScriptedRun("Running", {LOG: b"main\n", "user_logs/extra.txt": b"extra, un"})
    done = Followed(run, (3, state(run, "Completed")), logs=["extra"])
    assert bytes(done.log) == b"extra, un"


@pytest.mark.parametrize(
    "name",
    [
        "user_logs/std_log_process_0.txt",
        "user_logs/std_log_process_00.txt",
        "azureml-logs/70_driver_log.txt",
        "azureml-logs/70_driver_log_0.txt",
    ],
)
def test_the_main_log_of_every_runtime_is_found(name: str) -> None:
    """Distributed and older runs name it otherwise; the older ones only in the details."""
    run = ScriptedRun("Running")
    done = Followed(run, (5, write(run, b"a", name)), (40, state(run, "Completed")))
    assert bytes(done.log) == b"a"


def test_waiting_ends_when_its_time_is_over() -> None:
    """To the second, while the run goes on."""
    time = TurnedClock()
    with pytest.raises(TimeoutError, match="has not ended yet: Queued"):
        follow(ScriptedRun(), timeout=7.5, clock=time.clock)
    assert time.now == 7.5


def test_patience_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """`inf` is one."""
    assert follow_patience() == 600
    monkeypatch.setenv("SUBMITTER_FOLLOW_PATIENCE", "inf")
    assert follow_patience() == float("inf")
    monkeypatch.setenv("SUBMITTER_FOLLOW_PATIENCE", "long")
    with pytest.raises(InputError, match="SUBMITTER_FOLLOW_PATIENCE"):
        follow_patience()


def test_the_log_of_a_run_that_was_started_again_is_that_of_its_last_attempt() -> None:
    """A preempted run writes another log; what the first attempt wrote was shown already."""
    run = ScriptedRun("Running", {LOG: b"first attempt\n"})
    second = "user_logs/retry_001/std_log.txt"
    done = Followed(
        run,
        (5, state(run, "Queued")),
        (15, state(run, "Running")),
        (17, write(run, b"second attempt\n", second)),
        (20, write(run, b"done\n", second)),
        (22, state(run, "Completed")),
    )
    assert bytes(done.log) == b"first attempt\nsecond attempt\ndone\n"
    assert f"The run was started again; its log is {second} from here on." in done.notices
    assert main_log([LOG, second, "user_logs/retry_010/std_log.txt"]) == (
        "user_logs/retry_010/std_log.txt"
    )
    assert short_name(second) == "retry_001/std_log"
