"""Run ids are chosen by us, so that a run can be found again."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from submitter import InputError, Job
from submitter.submission import run_ids

UTC_NIGHT = datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc)


def job(folder: Path, name: str = "nightly.yml", **keys: str) -> Job:
    """Return a job that a file describes."""
    lines = {"command": "ls", "compute": "c", "environment": "azureml:e:1", **keys}
    (folder / name).write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return Job.from_file(folder / name)


def test_the_id_of_a_scheduled_run_is_a_function_of_job_and_instant(tmp_path: Path) -> None:
    """However the instant is written; another job or instant has another id."""
    extract = job(tmp_path, experiment_name="extract")
    first = run_ids.scheduled(extract, UTC_NIGHT)
    same = run_ids.scheduled(extract, run_ids.instant_of("2026-03-29T03:30:00+02:00"))
    assert first == same == "extract_nightly_20260329T013000Z"
    assert first != run_ids.scheduled(extract, run_ids.instant_of("2026-03-29T03:30:00Z"))
    assert first != run_ids.scheduled(job(tmp_path, "b.yml", experiment_name="extract"), UTC_NIGHT)


def test_a_job_with_a_name_is_known_by_it(tmp_path: Path) -> None:
    """Wherever its file lies, and without any file."""
    named = Job(name="extract-flights", command="ls", compute="c", environment="azureml:e:1")
    assert run_ids.scheduled(named, UTC_NIGHT) == "extract-flights_20260329T013000Z"
    nameless = Job(command="ls", compute="c", environment="azureml:e:1")
    with pytest.raises(InputError, match="needs a 'name'"):
        run_ids.scheduled(nameless, UTC_NIGHT)


def test_a_file_name_with_spaces_makes_a_legal_id(tmp_path: Path) -> None:
    """Azure ML takes letters, digits, '-' and '_'."""
    odd = job(tmp_path, "every night (v2).yml", experiment_name="e")
    assert run_ids.scheduled(odd, UTC_NIGHT) == "e_every-night--v2-_20260329T013000Z"


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01T00:00:00Z", "02:30"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """The message shows how a time is written."""
    with pytest.raises(InputError, match="is no time. Write it as ISO 8601"):
        run_ids.instant_of(text)


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    """It is not one instant: on the night when clocks go back, it is two."""
    with pytest.raises(InputError, match="has no time zone"):
        run_ids.scheduled(job(tmp_path), run_ids.instant_of("2026-10-25T02:30:00"))


@pytest.mark.parametrize("text", ["a b", "-a", "ä", "a/b", "a" * 257, "a\n"])
def test_an_illegal_id_is_refused(text: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InputError, match="is no run id"):
        run_ids.checked(text)


def test_fresh_ids_differ(tmp_path: Path) -> None:
    """Also within one second."""
    some = job(tmp_path)
    assert len({run_ids.fresh(some) for _ in range(100)}) == 100
