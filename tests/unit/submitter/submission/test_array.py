"""Arrays: which runs they are, and how many of them there are at a time."""

import threading

import pytest

from submitter import InputError, RunDetails, ServiceError
from submitter.submission.array import Outcome, run_all
from submitter.submission.members import Member, members

DONE = RunDetails(id="r", experiment="e", status="Completed")


def test_every_combination_is_a_member() -> None:
    """The last setting changes fastest; a range has both of its ends."""
    found = members(["lr=0.1,0.01", "seed=1..3"])
    assert [str(member) for member in found] == [
        *("lr=0.1 seed=1", "lr=0.1 seed=2", "lr=0.1 seed=3"),
        *("lr=0.01 seed=1", "lr=0.01 seed=2", "lr=0.01 seed=3"),
    ]
    assert [member.number for member in found] == [1, 2, 3, 4, 5, 6]


def test_values_are_read_as_the_job_file_would() -> None:
    """Numbers, truth values and texts; ranges also backwards and mixed with others."""
    [only] = members(["a=1", "b=1e-3", "c=true", "d=adam", "e=x=y"])
    assert only.inputs == {"a": 1, "b": 0.001, "c": True, "d": "adam", "e": "x=y"}
    values = [member.inputs["n"] for member in members(["n=3..1,10,-2..-1"])]
    assert values == [3, 2, 1, 10, -2, -1]


def test_no_setting_is_one_run() -> None:
    """The job as it stands."""
    assert members([]) == [Member(1, {})]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lr"], "--set takes NAME=VALUE"),
        (["=1"], "--set takes NAME=VALUE"),
        (["lr="], "--set takes NAME=VALUE"),
        (["lr=1,,2"], "--set takes NAME=VALUE"),
        (["lr=1", "lr=2"], "gives the input 'lr' twice"),
        (["n=1..5000000000"], "has more than 1000 numbers"),
        (["a=1..50", "b=1..50"], "make 2500 runs; at most 1000"),
    ],
)
def test_wrong_settings_are_explained(settings: list[str], said: str) -> None:
    """Before anything is submitted."""
    with pytest.raises(InputError, match=said):
        members(settings)


def test_never_more_than_so_many_at_once() -> None:
    """And as many as that, when there are enough."""
    going, most = 0, 0
    changing, full = threading.Lock(), threading.Barrier(3, timeout=30)

    def carry_out(member: Member) -> RunDetails:
        nonlocal going, most
        with changing:
            going += 1
            most = max(most, going)
        full.wait()  # three are here together, or this breaks
        with changing:
            going -= 1
        return DONE

    outcomes = run_all(members(["n=1..9"]), carry_out, at_once=3)
    assert most == 3
    assert [outcome.member.number for outcome in outcomes] == list(range(1, 10))


def test_one_that_fails_does_not_stop_the_others() -> None:
    """Its error is its outcome, told when it is known."""
    told: list[Outcome] = []

    def carry_out(member: Member) -> RunDetails:
        if member.number == 2:
            raise ServiceError("no")
        return DONE

    outcomes = run_all(members(["n=1..3"]), carry_out, at_once=1, on_end=told.append)
    assert [str(outcome.error) for outcome in outcomes] == ["None", "no", "None"]
    assert sorted(told, key=lambda outcome: outcome.member.number) == outcomes


def test_a_mistake_of_ours_is_not_swallowed() -> None:
    """It comes out where the array is waited for."""
    with pytest.raises(ZeroDivisionError):
        run_all(members([]), lambda _: 1 / 0, at_once=1)  # type: ignore[arg-type, return-value]


def test_whoever_interrupts_gets_no_more_submissions() -> None:
    """What waits for its turn is not submitted any more."""
    begun: list[int] = []

    def carry_out(member: Member) -> RunDetails:
        begun.append(member.number)
        return DONE

    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    going = threading.Event()

    def first_waits(member: Member) -> RunDetails:
        if member.number == 2:
            going.wait(30)
        return carry_out(member)

    with pytest.raises(KeyboardInterrupt):
        run_all(members(["n=1..50"]), first_waits, at_once=1, on_end=interrupt)
    going.set()
    assert len(begun) < 50
