"""What this machine submitted, and what has changed since."""

from pathlib import Path

import pytest

from submitter import Job, Plan, plan, summary
from submitter.submission import records

HERE = "sub/group/ws"


@pytest.fixture(autouse=True)
def _private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def made(folder: Path, name: str = "job.yml", **keys: str) -> Plan:
    """Return the plan of a job with two files."""
    lines = {"command": "python a.py", "compute": "c", "environment": "azureml:e:1"}
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "a.py").write_text(keys.pop("a", "1"))
    if not (code / "b.bin").exists():
        (code / "b.bin").write_bytes(b"0" * 200_000)
    text = "".join(f"{key}: {value}\n" for key, value in {**lines, "code": "code", **keys}.items())
    (folder / name).write_text(text)
    return plan(Job.from_file(folder / name), environ={})


def test_the_last_submission_of_a_job_is_remembered(tmp_path: Path) -> None:
    """Per job file and workspace."""
    first = made(tmp_path)
    assert records.last_of(first.job, HERE) is None
    records.remember(first, "run-1", HERE)
    records.remember(first, "run-2", HERE)
    records.remember(made(tmp_path, "other.yml"), "run-3", HERE)
    last = records.last_of(first.job, HERE)
    assert last is not None
    assert (last.run_id, last.fingerprint) == ("run-2", summary.fingerprint(first))
    assert records.last_of(first.job, "sub/group/other") is None


def test_a_record_is_its_owners_alone(tmp_path: Path) -> None:
    """Other users of the machine cannot read it."""
    records.remember(made(tmp_path), "run-1", HERE)
    [file] = (tmp_path / "state").rglob("*.json")
    assert file.stat().st_mode & 0o077 == 0


def test_without_a_place_to_write_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is a convenience."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    unwritable = made(tmp_path)
    records.remember(unwritable, "run-1", HERE)
    assert records.last_of(unwritable.job, HERE) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_id": "r"}', "\x00"])
def test_a_torn_record_is_none(tmp_path: Path, text: str) -> None:
    """And the next submission mends it."""
    done = made(tmp_path)
    records.remember(done, "run-1", HERE)
    [file] = (tmp_path / "state").rglob("*.json")
    file.write_text(text)
    assert records.last_of(done.job, HERE) is None
    records.remember(done, "run-2", HERE)
    mended = records.last_of(done.job, HERE)
    assert mended is not None
    assert mended.run_id == "run-2"


def test_what_differs_is_named(tmp_path: Path) -> None:
    """Files by name, settings with both values, credentials never."""
    before = summary.fingerprint(made(tmp_path, environment_variables="{A: x, B: y}"))
    now = summary.fingerprint(
        made(tmp_path, a="2", environment_variables="{A: z, C: q}", command="python a.py -v")
    )
    command = "python -m remote_entry run -- /bin/bash -c 'python a.py{}'"
    assert summary.differences(before, now) == [
        f"command: {command.format('')} → {command.format(' -v')}",
        "file a.py: changed",
        "variables A: x → z",
        "variables B: gone",
        "variables C: new",
    ]
    assert summary.differences(now, now) == []


def test_a_large_file_is_known_by_size_and_time(tmp_path: Path) -> None:
    """Hashing it would take too long."""
    before = summary.fingerprint(made(tmp_path))
    (tmp_path / "code/b.bin").write_bytes(b"1" * 200_001)
    now = summary.fingerprint(plan(Job.from_file(tmp_path / "job.yml"), environ={}))
    assert summary.differences(before, now) == ["file b.bin: changed"]


def test_a_file_that_has_vanished_by_now_costs_the_record_alone(tmp_path: Path) -> None:
    """The run has started: nothing may hide that."""
    done = made(tmp_path)
    (tmp_path / "code/a.py").unlink()
    records.remember(done, "run-1", HERE)
    assert records.last_of(done.job, HERE) is None


def test_a_credential_that_was_let_through_is_not_written_down(tmp_path: Path) -> None:
    """Neither shown nor kept: it is this machine's own."""
    environ = {"DB_PASSWORD": "own-value-9d7f"}
    job = Job.from_file(_job_with_a_credential(tmp_path))
    planned = plan(job, environ=environ, allow_plaintext=["DB_PASSWORD"])
    assert "own-value-9d7f" in planned.command
    assert "own-value-9d7f" not in repr(summary.as_data(planned, environ))


def _job_with_a_credential(folder: Path) -> Path:
    path = folder / "let-through.yml"
    path.write_text(
        "command: python a.py --password own-value-9d7f\ncompute: c\nenvironment: azureml:e:1\n"
    )
    return path
