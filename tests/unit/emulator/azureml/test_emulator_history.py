"""Run history: numbers, tags, properties, final statuses."""

import threading

import pytest

from submitter.emulator.azureml.history import FINAL, History, RunRecord
from submitter.emulator.service import Problem


@pytest.fixture
def history() -> History:
    """Make a history with one run."""
    made = History()
    made.create_run(made.create_experiment("exp"), "run_1", "me")
    return made


def test_runs_are_numbered_within_their_experiment(history: History) -> None:
    """Another experiment counts for itself; the same id is the same run."""
    experiment = history.create_experiment("exp")
    other = history.create_experiment("other")
    assert history.create_run(experiment, "run_2", None).run_number == 2
    assert history.create_run(other, "run_3", None).run_number == 1
    assert history.create_run(experiment, "run_2", None).run_number == 2
    assert [run.run_id for run in history.runs()] == ["run_1", "run_2", "run_3"]


def test_an_experiment_is_found_by_name_and_id(history: History) -> None:
    """Both ways lead to the same one; others are not found."""
    experiment = history.experiment("exp")
    assert history.experiment_by_id(experiment.experiment_id) is experiment
    for absent in (history.experiment, history.experiment_by_id, history.run):
        with pytest.raises(Problem, match="was not found"):
            absent("absent")


def test_a_run_is_written_in_the_services_names(history: History) -> None:
    """Snake case becomes camel case; what is not the service's stays inside."""
    wire = history.run("run_1").to_wire()
    assert {"runId", "startTimeUtc", "runTypeV2", "dataContainerId"} <= set(wire)
    assert "definition" not in wire
    assert all("_" not in name for name in wire)


def test_a_patch_changes_what_a_client_may_change(history: History) -> None:
    """Nulls change nothing, and neither do fields that are the service's."""
    sent = {"displayName": "nice", "description": None, "runNumber": 99, "status": "Running"}
    run = history.patch("run_1", sent)
    assert (run.display_name, run.description, run.run_number) == ("nice", None, 1)
    assert run.status == "Running"


def test_a_client_cannot_end_a_run_that_is_carried_out(history: History) -> None:
    """The status of a submitted run is its process's."""
    history.update("run_1", status="Running", definition={"script": "x"})
    assert history.patch("run_1", {"status": "Completed"}).status == "Running"


def test_tags_change_and_may_have_no_value(history: History) -> None:
    """Tags are merged; removing one leaves the others."""
    history.patch("run_1", {"tags": {"a": "1", "b": None}})
    assert history.patch("run_1", {"tags": {"a": "2"}}).tags == {"a": "2", "b": None}
    assert history.remove_tags("run_1", ["a", "absent"]).tags == {"b": None}


def test_properties_keep_their_first_value(history: History) -> None:
    """Setting the same value again is fine, another is refused and changes nothing."""
    history.patch("run_1", {"properties": {"rows": "1"}})
    assert history.patch("run_1", {"properties": {"rows": "1"}}).properties == {"rows": "1"}
    with pytest.raises(Problem, match="'rows'.*immutable"):
        history.patch("run_1", {"properties": {"rows": "2"}, "tags": {"half": "done"}})
    assert history.run("run_1").tags == {}


def test_a_final_status_stays(history: History) -> None:
    """A run ends once."""
    ended = history.end("run_1", "Canceled")
    assert ended.end_time_utc is not None
    assert history.end("run_1", "Completed") is ended


def test_a_child_belongs_to_its_parents_root(history: History) -> None:
    """The root of a grandchild is the first run."""
    experiment = history.create_experiment("exp")
    for child, parent in (("child", "run_1"), ("grandchild", "child")):
        history.create_run(experiment, child, None)
        history.patch(child, {"parentRunId": parent})
    assert history.run("grandchild").root_run_id == "run_1"


def test_waiting_ends_with_the_status_or_the_time(history: History) -> None:
    """A waiter sees the change at once, and gives up when it was told to."""
    assert history.wait("run_1", FINAL, timeout=0).status == "NotStarted"
    found: list[RunRecord] = []
    waiter = threading.Thread(target=lambda: found.append(history.wait("run_1", FINAL, timeout=30)))
    waiter.start()
    history.end("run_1", "Completed")
    waiter.join()
    assert found[0].status == "Completed"
