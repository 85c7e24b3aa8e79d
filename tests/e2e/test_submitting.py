"""Submitting more than once, more than one, and when something is lost on the way."""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.shell import Shell
from support.terminal import Person, at_a_terminal

ECHO = """\
experiment_name: many
command: echo rate ${{inputs.rate}} seed ${{inputs.seed}}
inputs: {rate: 0.5, seed: 1}
environment: {name: many, image: ubuntu}
compute: cpu-cluster
"""


@pytest.fixture
def echo(shell: Shell) -> Shell:
    """A job that is over at once and says its inputs."""
    shell.write("job.yml", ECHO)
    return shell


def started(shell: Shell) -> int:
    """Count the runs of the emulator, whoever submitted them."""
    return len(shell.azure.runs)


def test_pain_19_the_same_time_is_never_run_twice(echo: Shell) -> None:
    """A duplicate trigger attaches to the first run; another night is another run."""
    before = started(echo)
    first = echo("submit", "job.yml", "--scheduled-for", "2026-03-29T02:30:00+02:00")
    again = echo("submit", "job.yml", "--scheduled-for", "2026-03-29T00:30:00Z")
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert "attached to the run many_job_20260329T003000Z" in again.stderr
    assert "rate 0.5 seed 1" in again.stdout
    assert started(echo) == before + 1
    other = echo("submit", "job.yml", "--scheduled-for", "2026-03-30T00:30:00Z", "--no-wait")
    assert other.stdout.strip() == "many_job_20260330T003000Z"
    assert started(echo) == before + 2


def test_two_triggers_at_the_same_moment_start_one_run(echo: Shell) -> None:
    """Whoever comes second finds the run of the first."""
    before = started(echo)
    command = ("submit", "job.yml", "--scheduled-for", "2027-01-01T00:00:00Z")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: echo(*command), range(2)))
    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    assert all("rate 0.5 seed 1" in done.stdout for done in both)
    assert started(echo) == before + 1


def test_a_run_id_of_ones_own_is_attached_to(echo: Shell) -> None:
    """Also to a run that failed: that is how it ended."""
    echo.edit("command: echo", "command: exit 3 #")
    first = echo("submit", "job.yml", "--run-id", "mine-1")
    again = echo("submit", "job.yml", "--run-id", "mine-1")
    assert (first.returncode, again.returncode) == (6, 6)
    assert "attached to the run mine-1" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run-id", "a b"], "'a b' is no run id"),
        (["--scheduled-for", "tonight"], "'tonight' is no time"),
        (["--scheduled-for", "2026-03-29T02:30:00"], "has no time zone"),
        (["--run-id", "a", "--scheduled-for", "2026-03-29T02:30:00Z"], "not both"),
        (["--retries", "2", "--no-wait"], "--retries needs somebody who waits"),
        (["--set", "rates=1"], "no input 'rates'. Did you mean 'rate'?"),
        (["--set", "rate"], "--set takes NAME=VALUE"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    echo: Shell, arguments: list[str], said: str
) -> None:
    """With exit code 2 and what to write instead."""
    before = len(echo.azure.requests)
    done = echo("submit", "job.yml", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(echo.azure.requests) == before


def test_a_setting_of_one_value_is_one_run(echo: Shell) -> None:
    """And no array."""
    done = echo("submit", "job.yml", "--set", "seed=7")
    assert (done.returncode, "rate 0.5 seed 7" in done.stdout) == (0, True)
    assert "array" not in done.stderr


def test_an_array_runs_every_combination_and_sums_up(echo: Shell) -> None:
    """Its runs are found by their tag, and keep their inputs as properties."""
    settings = ("--set", "rate=0.1,0.01", "--set", "seed=1..2")
    done = echo("submit", "job.yml", *settings, "--at-once", "3", "--run-id", "grid")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "grid_1\t0.1\t1\tCompleted",
        "grid_2\t0.1\t2\tCompleted",
        "grid_3\t0.01\t1\tCompleted",
        "grid_4\t0.01\t2\tCompleted",
    ]
    assert "rate 0.01 seed 2" in echo("runs", "logs", "grid_4").stdout
    run = echo.azure.run("grid_4")
    assert run.tags["array"] == "grid"
    assert run.properties["submitter.input.rate"] == "0.01"
    again = echo("submit", "job.yml", *settings, "--run-id", "grid", "--json")
    runs = json.loads(again.stdout)["runs"]
    assert [each["run"]["id"] for each in runs] == ["grid_1", "grid_2", "grid_3", "grid_4"]
    assert runs[3]["inputs"] == {"rate": 0.01, "seed": 2}
    assert again.stderr.count("attached to grid_") == 4


def test_an_array_whose_runs_fail_says_which(echo: Shell) -> None:
    """The others go on to their ends; the exit code is that of a failed run."""
    echo.edit("command: echo", "command: test ${{inputs.seed}} -ne 2; exit $? #")
    done = echo("submit", "job.yml", "--set", "seed=1..3", "--run-id", "some-fail")
    assert done.returncode == 6
    assert [line.split("\t")[-1] for line in done.stdout.splitlines()] == [
        *("Completed", "Failed", "Completed")
    ]
    assert "1 of the 3 runs of the array some-fail did not complete" in done.stderr


def test_ctrl_c_leaves_the_runs_of_an_array_and_submits_no_more(echo: Shell) -> None:
    """It says how to come back to them."""
    echo.edit("command: echo", "command: sleep 20 #")
    process = echo.start("submit", "job.yml", "--set", "seed=1..9", "--at-once", "1")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/9]"):
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "after 1 of 9 runs" in rest
    run_id = re.findall(r"run (\S+_1)$", line.strip())[0]
    assert "submitter runs list --tag array=" in rest
    assert echo.azure.run(run_id).status in {"Queued", "Preparing", "Running"}
    assert echo("runs", "cancel", run_id).returncode == 0


def test_a_person_may_stop_an_array(echo: Shell) -> None:
    """All of its runs; those that have not been submitted are not."""
    echo.edit("command: echo", "command: sleep 60 #")
    person = Person(echo, "submit", "job.yml", "--set", "seed=1..9", "--at-once", "2")
    person.until("[2/9] seed=2  run ")
    person.until("[1/9] seed=1  run ")
    person.type(b"\x03")
    person.until("[s = stop, Enter = leave]")
    person.type(b"s\n")
    assert person.leave() == 130
    assert "Asked to stop them." in person.screen
    for run_id in re.findall(r"run (\S+_[12])\n", person.screen):
        assert echo.azure.wait_for_run(run_id).status == "Canceled"


def test_a_run_that_the_service_lost_is_tried_again(echo: Shell) -> None:
    """Under an id made of the first one's; a wrong script is not tried again."""
    echo.azure.fail_next_run("cpu-cluster", "The node failed to start.", times=1)
    done = echo("submit", "job.yml", "--retries", "2", "--run-id", "lost")
    assert done.returncode == 0, done.stderr
    assert re.search(r"lost failed: .*The node failed to start. Trying again in 10 s.", done.stderr)
    assert echo.azure.run("lost_retry1").status == "Completed"
    echo.edit("command: echo", "command: exit 3 #")
    wrong = echo("submit", "job.yml", "--retries", "2", "--run-id", "wrong")
    assert (wrong.returncode, "Trying again" in wrong.stderr) == (6, False)


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": True},
        {"status": 500},
        {"status": 503},
        {"status": None, "delay": 6.0},
    ],
    ids=["connection cut", "500", "503", "no answer in time"],
)
def test_a_start_that_is_answered_wrongly_never_makes_a_run_unknown(
    echo: Shell, fault: dict[str, object]
) -> None:
    """Either there is one run and it is followed, or the error names the run to look for."""
    before = started(echo)
    echo.azure.faults.add("azureml", "POST .*/snapshotrun", times=None, **fault)
    try:
        done = echo("submit", "job.yml", "--no-wait", SUBMITTER_TIMEOUT="4")
    finally:
        echo.azure.faults.clear()
    if done.returncode == 0:
        assert started(echo) == before + 1
        assert echo.azure.run(done.stdout.strip())
    else:
        assert done.returncode == 5, done.stderr
        assert started(echo) == before or re.search(r"runs show many_\w+", done.stderr)


def test_pain_8_an_environment_of_equal_content_is_reused(echo: Shell) -> None:
    """An environment of equal content is reused; without a workspace the plan stands alone."""
    echo.edit("name: many", "name: planned")
    first = echo("plan", "job.yml")
    assert "new, will be registered" in first.stdout
    assert re.search(r"compute +cpu-cluster, STANDARD_DS2_V2, \d of 2 nodes up", first.stdout)
    assert echo("submit", "job.yml", "--no-wait").returncode == 0
    writes = [each for each in echo.azure.requests if each.method != "GET"]
    again = echo("plan", "job.yml")
    assert "azureml:planned:1, registered already" in again.stdout
    data = json.loads(echo("plan", "job.yml", "--json").stdout)
    assert data["workspace"]["environment"] == {"name": "planned", "version": "1"}
    assert data["workspace"]["compute"]["most_nodes"] == 2
    written = [each for each in echo.azure.requests if each.method != "GET"][len(writes) :]
    assert {each.service for each in written} <= {"entra"}  # tokens; nothing is registered
    offline = echo("plan", "job.yml", "--offline")
    assert "workspace    not asked (--offline)" in offline.stderr
    (echo.folder / ".azureml/config.json").unlink()
    alone = echo("plan", "job.yml")
    assert (alone.returncode, "not asked: No workspace is configured" in alone.stderr) == (0, True)


def test_a_plan_for_what_is_not_there_ends_with_an_error(echo: Shell) -> None:
    """As a submit would, and with nothing sent."""
    echo.edit("cpu-cluster", "cpu-clutser")
    done = echo("plan", "job.yml")
    assert (done.returncode, "Did you mean 'cpu-cluster'?" in done.stderr) == (4, True)


def test_a_person_sees_what_changed_since_the_last_submission(echo: Shell) -> None:
    """Files by name, settings with their values; in a pipe nobody is told."""
    echo.edit("inputs:", "code: src\ninputs:")
    (echo.folder / "src").mkdir()
    echo.write("src/a.py", "1")
    run_id = echo("submit", "job.yml", "--no-wait").stdout.strip()
    code, same = at_a_terminal(echo, "submit", "job.yml", "--no-wait")
    assert (code, f"since {run_id}: nothing has changed" in same) == (0, True), same
    echo.write("src/a.py", "2")
    echo.write("src/b.py", "3")
    echo.edit("seed: 1", "seed: 2")
    _, changed = at_a_terminal(echo, "submit", "job.yml", "--no-wait")
    lines = [line.strip() for line in changed.splitlines()]
    assert {"file a.py: changed", "file b.py: new", "inputs seed: 1 → 2"} <= set(lines)
    assert "since" not in echo("submit", "job.yml", "--no-wait").stderr


def test_a_clock_that_jumps_changes_no_scheduled_run(echo: Shell, tmp_path: Path) -> None:
    """The id comes from the time that was given, never from this machine's clock."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nreal = time.time\ntime.time = lambda: real() - 40 * 86400\n"
    )
    command = ("submit", "job.yml", "--no-wait", "--scheduled-for", "2028-02-29T00:00:00Z")
    first = echo(*command)
    again = echo(*command, PYTHONPATH=str(tmp_path))
    assert first.stdout == again.stdout
    assert "attached" in again.stderr
