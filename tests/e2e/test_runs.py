"""`submitter runs`: found, listed, looked at, tagged, compared, fetched."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from support.in_process import Typed, client_of, start_script, type_in
from support.shell import Shell, flights_emulator, project

from submitter import NotFoundError, find_run, list_runs

# azureml-core warns about its own innards.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)
LONG = "n" * 251 + ".txt"  # as long as a name can be
SCRIPT = f"""\
mkdir -p "outputs/a folder" outputs/empty-is-no-file
head -c 3000000 /dev/urandom > outputs/big
echo ü > "outputs/a folder/mödel 模型.txt"; : > outputs/nothing; echo x > outputs/{LONG}
cat > measure.py <<'END'
from azureml.core import Run
run = Run.get_context()
run.log('mae', MAE); run.log('loss', 1.0); run.log('loss', 0.5); run.flush()
END
python measure.py
seq 1 2000
"""


@dataclass
class Past:
    """Three runs of two experiments that have ended.

    Attributes:
        shell: Types commands.
        workspace: The workspace, in this process.
        first: A run's id; the oldest of all.
        second: That of another run of the same experiment.
        failed: That of a run of another experiment, which failed.
    """

    shell: Shell
    workspace: Any
    first: str
    second: str
    failed: str

    def type(self, *arguments: str) -> Typed:
        """Type a command in the project's folder."""
        return type_in(self.shell.folder, *arguments)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Carry the runs out."""
    folder = tmp_path_factory.mktemp("past")
    with flights_emulator(folder) as azure, client_of(azure) as workspace:
        shell = project(azure, folder / "project")
        ids = [
            start_script(workspace, folder / str(number), script, experiment)
            for number, (script, experiment) in enumerate(
                [
                    (SCRIPT.replace("MAE", "1.5"), "delays"),
                    (SCRIPT.replace("MAE", "1.25"), "delays"),
                    ("exit 3", "broken"),
                ]
            )
        ]
        for run_id in ids:
            azure.wait_for_run(run_id)
        find_run(ids[0], workspace=workspace).tag(stage="dev", owner="me")
        find_run(ids[1], workspace=workspace).tag(stage="prod")
        yield Past(shell, workspace, *ids)
        assert azure.egress == []
        assert azure.unknown_routes == []


def ids_of(past: Past, **filters: Any) -> list[str]:
    """List runs; return their ids."""
    return [run.id for run in list_runs(workspace=past.workspace, **filters)]


def test_runs_are_listed_newest_first(past: Past) -> None:
    """Over all experiments, or those that are named; as many as were asked for."""
    assert ids_of(past) == [past.failed, past.second, past.first]
    assert ids_of(past, limit=2) == [past.failed, past.second]
    assert ids_of(past, experiments=["delays"]) == [past.second, past.first]
    with pytest.raises(NotFoundError, match="no experiment delay .*Did you mean 'delays'"):
        ids_of(past, experiments=["delay"])


def test_runs_are_filtered(past: Past) -> None:
    """By status, tags and age, each alone and together."""
    assert ids_of(past, statuses=["Failed"]) == [past.failed]
    assert ids_of(past, statuses=["Completed", "Canceled"]) == [past.second, past.first]
    assert ids_of(past, tags={"stage": None}) == [past.second, past.first]
    assert ids_of(past, tags={"stage": "dev"}) == [past.first]
    assert ids_of(past, tags={"stage": "dev", "owner": None}) == [past.first]
    assert ids_of(past, tags={"stage": "prod", "owner": None}) == []
    now = datetime.now(timezone.utc)
    assert len(ids_of(past, since=now - timedelta(hours=1))) == 3
    assert ids_of(past, since=now + timedelta(hours=1)) == []


def test_the_service_filters_where_it_can(past: Past) -> None:
    """A list costs a request, and one for each experiment; whatever is filtered by."""
    before = len(past.shell.azure.requests)
    ids_of(past, statuses=["Failed"], tags={"stage": "dev"})
    assert len(past.shell.azure.requests) - before == 3


def test_lists_are_for_people_pipes_and_programs(past: Past) -> None:
    """Tab-separated rows in a pipe, JSON on request, both of the same runs."""
    done = past.type("runs", "list", "--status", "completed", "--since", "2d")
    assert done.returncode == 0, done.stderr
    rows = [row.split("\t") for row in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [past.second[-8:], past.first[-8:]]
    assert [row[1:2] + row[3:4] + row[6:] for row in rows] == [
        ["delays", "Completed", "cpu-cluster"]
    ] * 2
    data = json.loads(past.type("runs", "list", "--tag", "stage=dev", "--json").stdout)
    assert [run["id"] for run in data] == [past.first]
    assert datetime.fromisoformat(data[0]["created"]).tzinfo is not None


def test_a_table_fits_eighty_columns(past: Past) -> None:
    """At a terminal each run is one line, however long its names are."""
    program = (
        "import os, pty, sys\n"
        "os.environ['COLUMNS'] = '80'\n"
        "raise SystemExit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, sys.executable, "-m", "submitter", "runs", "list"],
        cwd=past.shell.folder,
        env={**past.shell.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout).replace("\r", "").splitlines()
    assert lines[0].split() == [
        *("run", "experiment", "name", "status", "age", "duration", "compute")
    ]
    assert len(lines) == 4
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", ["@last", "short id", "display name", "beginning"])
def test_a_run_is_found_by_what_it_is_called(past: Past, name: str) -> None:
    """The newest, a unique part of an id, the name that the service made up."""
    called = {
        "@last": "@last",
        "short id": past.failed[-6:],
        "display name": "broken_1",
        "beginning": "broken_",
    }
    assert find_run(called[name], workspace=past.workspace).id == past.failed


def test_wrong_names_end_with_their_own_codes(past: Past) -> None:
    """2 for one that fits several runs, 4 for one that fits none."""
    several = past.type("runs", "show", "delays_")
    assert several.returncode == 2
    assert past.first in several.stderr
    assert past.second in several.stderr
    none = past.type("runs", "cancel", "nothing-like-it")
    assert (none.returncode, "See: submitter runs list" in none.stderr) == (4, True)


def test_a_run_is_shown(past: Past) -> None:
    """Its times, compute, environment, tags, metrics, files and page."""
    done = past.type("runs", "show", past.first[-8:])
    shown = dict(row.split("\t", 1) for row in done.stdout.splitlines())
    assert shown["id"] == past.first
    assert shown["environment"] == "played:1"
    assert shown["command"] == "bash script.sh"
    assert shown["compute"] == "cpu-cluster"
    assert shown["tag stage"] == "dev"
    assert shown["metric mae"] == "1.5"
    assert shown["page"].startswith("https://ml.azure.com/runs/")
    assert re.fullmatch(r"\d+ s", shown["running"])
    assert {"submitted", "queued", "started", "ended", "submitted by"} <= set(shown)
    data = json.loads(past.type("runs", "show", past.failed, "--json").stdout)
    assert (data["status"], data["metrics"]) == ("Failed", {})
    assert "status code 3" in data["error"]


def test_logs_are_printed(past: Past) -> None:
    """Whole, or their end; the whole is not read for that."""
    assert past.type("runs", "logs", past.first).stdout.splitlines() == [
        str(number) for number in range(1, 2001)
    ]
    assert past.type("runs", "logs", past.first, "--tail", "2").stdout == "1999\n2000\n"
    data = json.loads(past.type("runs", "logs", past.first, "--tail", "1", "--json").stdout)
    assert data == {"user_logs/std_log.txt": "2000\n"}
    missing = past.type("runs", "logs", past.first, "--log", "stderr")
    assert (missing.returncode, "It has: user_logs/std_log.txt" in missing.stderr) == (4, True)


def test_tags_are_set_from_the_command_line(past: Past) -> None:
    """Set, replaced, taken off, listed; a credential is refused unseen and nothing is set."""
    done = past.type("runs", "tag", past.failed, "stage=a=b", "flag", "--json")
    assert json.loads(done.stdout) == {"stage": "a=b", "flag": ""}
    done = past.type("runs", "tag", past.failed, "stage=c", "--remove", "flag")
    assert done.stdout == "stage\tc\n"
    refused = past.type("runs", "tag", past.failed, "note=x", "db_password=hunter2")
    assert (refused.returncode, "hunter2" in refused.stderr) == (2, False)
    assert find_run(past.failed, workspace=past.workspace).tags == {"stage": "c"}


def test_runs_are_compared(past: Past) -> None:
    """What differs; on request what does not."""
    done = past.type("runs", "compare", past.first[-8:], past.second[-8:])
    found = dict(row.split("\t", 1) for row in done.stdout.splitlines())
    assert found["metric mae"] == "1.5\t1.25"
    assert found["tag stage"] == "dev\tprod"
    assert "metric loss" not in found
    assert "status" not in found
    done = past.type("runs", "compare", past.first, past.second, past.failed, "--all", "--json")
    data = json.loads(done.stdout)
    assert data["runs"] == [past.first, past.second, past.failed]
    values = {aspect["name"]: aspect["values"] for aspect in data["aspects"]}
    assert values["status"] == ["Completed", "Completed", "Failed"]
    assert values["metric loss"] == [[1.0, 0.5], [1.0, 0.5], None]
    assert values["compute"] == ["cpu-cluster"] * 3
    assert past.type("runs", "compare", past.first).returncode == 2


def test_a_run_that_has_ended_is_not_canceled(past: Past) -> None:
    """It is said, and is no error: what was wished is so."""
    done = past.type("runs", "cancel", past.first, "--json")
    assert json.loads(done.stdout) == {
        "id": past.first,
        "status": "Completed",
        "cancel_requested": False,
    }


def test_files_arrive_as_they_were_written(past: Past, tmp_path: Path) -> None:
    """Blanks, other scripts, an empty file, a name of 255 bytes; and only once."""
    names = {"big", "a folder/mödel 模型.txt", "nothing", LONG}
    target = tmp_path / "a folder of mine"
    done = past.type("runs", "download", past.first, str(target))
    assert done.returncode == 0, done.stderr
    files = {path for path in target.rglob("*") if path.is_file()}
    assert {path.relative_to(target / "outputs").as_posix() for path in files} == names
    assert sorted(done.stdout.splitlines()) == sorted(map(str, files))
    assert (target / "outputs/a folder/mödel 模型.txt").read_text() == "ü\n"
    before = {path: path.stat().st_ino for path in files}
    again = past.type("runs", "download", past.first, str(target), "--json")
    assert sorted(json.loads(again.stdout)) == sorted(map(str, files))
    assert {path: path.stat().st_ino for path in files} == before


def test_a_prefix_chooses_the_files(past: Past, tmp_path: Path) -> None:
    """An empty one takes everything, logs included."""
    run = find_run(past.first, workspace=past.workspace)
    found = run.download(tmp_path, prefix="user_logs")
    assert found == [tmp_path / "user_logs/std_log.txt"]
    assert len(run.download(tmp_path, prefix="")) == 5


def test_a_full_disk_is_said_and_gone_on_from(past: Past, tmp_path: Path) -> None:
    """No half file under a final name; with room again the same command goes on."""
    limited = subprocess.run(
        [sys.executable, "-m", "submitter", "runs", "download", past.first, str(tmp_path)],
        cwd=past.shell.folder,
        env=past.shell.environ,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    assert limited.returncode == 2
    assert re.search(r"error: Could not write .*/outputs/big: File too large", limited.stderr)
    assert "the same command goes on from there" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert not (tmp_path / "outputs/big").exists()
    parts = [part.stat().st_size for part in (tmp_path / "outputs").glob(".submitter-*.part")]
    assert 0 < max(parts) <= 1_000_000
    done = past.type("runs", "download", past.first, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs/big").stat().st_size == 3_000_000
    assert list((tmp_path / "outputs").glob(".submitter-*")) == []


def test_a_folder_that_cannot_be_written_is_said(past: Past, tmp_path: Path) -> None:
    """A file in its place; a read-only one, for whoever is not root."""
    (tmp_path / "taken").write_text("mine")
    done = past.type("runs", "download", past.first, str(tmp_path / "taken"))
    assert (done.returncode, "Could not write" in done.stderr) == (2, True)
    readonly = tmp_path / "readonly"
    readonly.mkdir(mode=0o555)
    if os.geteuid() != 0:
        done = past.type("runs", "download", past.first, str(readonly))
        assert (done.returncode, "Permission denied" in done.stderr) == (2, True)
    assert list(readonly.iterdir()) == []


def test_a_file_whose_name_would_leave_the_folder_is_refused(past: Past, tmp_path: Path) -> None:
    """The artifact service lists what a script named so: nothing is written anywhere."""
    for name in ("outputs/../../escaped", "/outputs/escaped"):
        entry = {"origin": "ExperimentRun", "container": f"dcid.{past.first}", "path": name}
        listing = {"value": [{**entry, "artifactId": name}], "continuationToken": None}
        rule = past.shell.azure.faults.add(
            "azureml", "GET .*(/artifacts|/dcid[^/]*)$", status=200, body=listing
        )
        target = tmp_path / "deep" / "target"
        done = past.type("runs", "download", past.first, str(target), "--prefix", "")
        past.shell.azure.faults.clear()
        assert rule.remaining == 0
        assert done.returncode == 2, done.stderr
        assert "would end outside of the folder" in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_a_download_at_a_terminal_shows_how_it_comes_along(past: Past, tmp_path: Path) -> None:
    """A bar, beside the paths, which alone are left at the end."""
    past.shell.azure.faults.add("storage", "GET .*/big", delay=1.0, status=None)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"),
            *(sys.executable, "-m", "submitter"),
            *("runs", "download", past.first, str(tmp_path)),
        ],
        cwd=past.shell.folder,
        env={**past.shell.environ, "TERM": "xterm", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    past.shell.azure.faults.clear()
    assert re.search(r"\d files", done.stdout)
    assert "━" in done.stdout
    assert str(tmp_path / "outputs/big") in done.stdout


def test_an_interrupted_download_is_gone_on_with(past: Past, tmp_path: Path) -> None:
    """Ctrl-C says so, and leaves no half file under a final name."""
    past.shell.azure.faults.add("storage", "GET .*/big", delay=3.0, status=None)
    fetching = past.shell.start("runs", "download", past.first, str(tmp_path))
    deadline = time.monotonic() + 30
    while not (tmp_path / "outputs/nothing").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    fetching.send_signal(signal.SIGINT)
    _, said = fetching.communicate(timeout=30)
    past.shell.azure.faults.clear()
    assert fetching.returncode == 130
    assert "The same command goes on from there" in said
    assert not (tmp_path / "outputs/big").exists()
    assert past.type("runs", "download", past.first, str(tmp_path)).returncode == 0
    assert (tmp_path / "outputs/big").stat().st_size == 3_000_000
