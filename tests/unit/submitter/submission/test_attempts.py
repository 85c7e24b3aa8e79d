"""What the service lost is tried again; what the user got wrong is not."""

from typing import cast

import pytest

from submitter import RunDetails, RunHandle
from submitter.submission.attempts import carry_through, may_pass_by_itself


class FakeRun:
    """A run that ends as it is told to."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id


def go(*ends: tuple[str, str], retries: int) -> tuple[RunDetails, list[str], list[float]]:
    """Carry a run through whose attempts end so; return the end, the ids and the pauses."""
    ids, pauses, following = ["r"], [], iter(ends)

    def again(run_id: str) -> RunHandle:
        ids.append(run_id)
        return cast("RunHandle", FakeRun(run_id))

    def follow(run: RunHandle) -> RunDetails:
        status, code = next(following)
        return RunDetails(id=run.id, experiment="e", status=status, error_code=code)

    first = cast("RunHandle", FakeRun("r"))
    end = carry_through(first, follow=follow, again=again, retries=retries, sleep=pauses.append)
    return end, ids, pauses


LOST, WRONG, DONE = ("Failed", "ServiceError"), ("Failed", "UserError"), ("Completed", "")


def test_a_lost_run_is_submitted_again_under_an_id_made_of_the_first() -> None:
    """Whoever does the same again finds the same attempts; the pauses grow."""
    end, ids, pauses = go(LOST, LOST, DONE, retries=3)
    assert (end.status, end.id) == ("Completed", "r_retry2")
    assert ids == ["r", "r_retry1", "r_retry2"]
    assert pauses == [10.0, 20.0]


def test_there_are_no_more_attempts_than_allowed() -> None:
    """The last one's end is the end."""
    end, ids, _ = go(LOST, LOST, retries=1)
    assert (end.status, ids) == ("Failed", ["r", "r_retry1"])


@pytest.mark.parametrize("end", [WRONG, DONE, ("Canceled", "")])
def test_other_ends_are_final(end: tuple[str, str]) -> None:
    """A wrong script would only fail again, and whoever cancels means it."""
    assert go(end, retries=5)[1] == ["r"]


def test_only_a_failure_that_is_not_the_users_may_pass_by_itself() -> None:
    """In the service's own words."""
    lost = RunDetails(id="r", experiment="e", status="Failed", error_code="ServiceError")
    assert may_pass_by_itself(lost)
    assert not may_pass_by_itself(RunDetails(id="r", experiment="e", status="Completed"))
