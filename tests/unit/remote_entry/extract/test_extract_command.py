"""What an extract's command says besides its progress, and the example that it begins with."""

import logging
from pathlib import Path

import pytest

from remote_entry.extract.command import _telling
from remote_entry.extract.progress import Progress
from remote_entry.extract.spec import Spec
from submitter.job import Job

EXAMPLE = Path(__file__).parents[4] / "submitter" / "templates" / "extract"


def test_what_is_waited_for_is_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """With the program's name, as everything that it says; and only while it runs."""
    log = logging.getLogger("remote_entry")
    before = list(log.handlers)
    with _telling(Progress()):
        log.warning("%s; trying again in %d s", "paused", 5)
    assert capsys.readouterr().err == "remote_entry: warning: paused; trying again in 5 s\n"
    assert log.handlers == before


def test_ctrl_c_says_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """And is passed on: the exit code is that of Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), _telling(Progress()):
        raise KeyboardInterrupt
    assert "Stopped. What was committed stays" in capsys.readouterr().err


def test_the_example_is_a_valid_one() -> None:
    """Its job runs its extract, which is read as it stands."""
    spec = Spec.from_file(EXAMPLE / "extract.yml")
    assert (spec.table, spec.cursor is not None) == ("dbo.flights", True)
    job = Job.from_file(EXAMPLE / "job.yml")
    assert job.command == "python -m remote_entry extract extract.yml"
    flights = Job.from_file(EXAMPLE.parent / "flights" / "job.yml")
    assert job.environment == flights.environment
