"""What a person may call a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.scripted_run import ScriptedRun

from submitter.backends.base import RunQuery, RunSummary
from submitter.errors import InputError, NotFoundError
from submitter.runs.names import find_in, short_id

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


@dataclass
class Workspace:
    """A backend that knows its runs, and whom it is asked by."""

    listed: list[RunSummary] = field(default_factory=list)
    person: str = "me"

    def add(self, run_id: str, name: str = "", owner: str = "me") -> None:
        created = NOW + timedelta(minutes=len(self.listed))
        experiment = run_id.partition("_")[0]
        run = RunSummary(run_id, experiment, "Completed", name, created=created, owner=owner)
        self.listed.insert(0, run)

    def run(self, run_id: str) -> ScriptedRun:
        if run_id not in {run.id for run in self.listed}:
            raise NotFoundError(f"Could not find the run {run_id} in ws.")
        return ScriptedRun(id=run_id)

    def runs(self, query: RunQuery) -> Sequence[RunSummary]:
        return self.listed[: query.limit]

    def me(self) -> str:
        return self.person


@pytest.fixture
def workspace() -> Any:
    """Return a workspace with four runs, the last of them somebody else's."""
    made = Workspace()
    made.add("flights_1700000000_0a1b2c3d", "first try")
    made.add("flights_1700000060_0a1bffff", "second try")
    made.add("delays_1700000120_77777777", "second try")
    made.add("delays_1700000180_88888888", "theirs", owner="you")
    return made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flights_1700000000_0a1b2c3d", "flights_1700000000_0a1b2c3d"),
        ("0a1b2c3d", "flights_1700000000_0a1b2c3d"),
        ("0a1b2", "flights_1700000000_0a1b2c3d"),
        ("2c3d", "flights_1700000000_0a1b2c3d"),
        ("flights_17000000600", None),
        ("flights_1700000060", "flights_1700000060_0a1bffff"),
        ("first try", "flights_1700000000_0a1b2c3d"),
        ("@last", "delays_1700000120_77777777"),
    ],
)
def test_a_run_is_found(workspace: Any, text: str, found: str | None) -> None:
    """By its id, a unique part of it, its display name, or as one's own newest."""
    if found:
        assert find_in(workspace, text).id == found
    else:
        with pytest.raises(NotFoundError):
            find_in(workspace, text)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("0a1b", ["0a1b2c3d", "0a1bffff"]),
        ("second try", ["0a1bffff", "77777777"]),
        ("flights_", ["0a1b2c3d", "0a1bffff"]),
    ],
)
def test_an_ambiguous_name_lists_the_candidates(
    workspace: Any, text: str, candidates: list[str]
) -> None:
    """With their whole ids; none is chosen."""
    with pytest.raises(InputError, match=r"2 runs go by") as caught:
        find_in(workspace, text)
    assert all(candidate in str(caught.value) for candidate in candidates)


def test_an_unknown_name_is_answered_with_the_nearest(workspace: Any) -> None:
    """Three characters are no part of an id: they would fit by chance."""
    with pytest.raises(NotFoundError, match="Did you mean '0a1b2c3d'"):
        find_in(workspace, "0a1b2c4d")
    with pytest.raises(NotFoundError, match="submitter runs list"):
        find_in(workspace, "0a1")


def test_nobody_elses_run_is_the_last(workspace: Any) -> None:
    """Unless nobody can say who is asking."""
    workspace.person = ""
    assert find_in(workspace, "@last").id == "delays_1700000180_88888888"
    workspace.person = "a third"
    with pytest.raises(NotFoundError, match="no last run"):
        find_in(workspace, "@last")


def test_many_candidates_are_counted(workspace: Any) -> None:
    """An error is no list."""
    for number in range(20):
        workspace.add(f"flights_17{number:08}_{number:08x}")
    with pytest.raises(InputError, match="and 17 more"):
        find_in(workspace, "flights_")


def test_a_short_id_is_the_part_that_was_made_up() -> None:
    """An id that a person chose is shown whole."""
    assert short_id("flights_1700000000_0a1b2c3d") == "0a1b2c3d"
    assert short_id("nightly") == "nightly"
    assert short_id("flights_v2") == "flights_v2"
