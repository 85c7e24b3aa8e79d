"""Following real runs: at a terminal, in a pipe, over tokens that expire, from all nodes."""

import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.in_process import client_of, start_script
from support.shell import Shell
from support.terminal import Person

from submitter.backends.azureml_core import AzureMLCore
from submitter.emulator import Emulator, TokenFault
from submitter.runs.handle import RunHandle

# azureml-core warns about its own innards.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)
WORKS = """\
trap 'echo tidied up; exit 1' TERM
printf 'caf\\303'; sleep 3; printf '\\251 is ready\\n'
for i in $(seq 400); do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def workspace(azure: Emulator) -> Iterator[Any]:
    """Open the workspace in this process."""
    with client_of(azure) as opened:
        yield opened


def test_ctrl_c_at_a_terminal_asks_and_enter_leaves(shell: Shell, workspace: Any) -> None:
    """The run goes on; a character that two looks tore apart was shown whole."""
    run_id = start_script(workspace, shell.folder / "code", WORKS)
    person = Person(shell, "runs", "follow", run_id)
    person.until("café is ready")
    person.type(b"\x03")
    person.until("Stop the run")
    person.type(b"\n")
    assert person.leave() == 130, person.screen
    assert "\ufffd" not in person.screen
    assert f"Come back with: submitter runs follow {run_id}" in person.screen
    assert "Traceback" not in person.screen
    assert shell.azure.run(run_id).status == "Running"

    # Back again: a second Ctrl-C leaves at once.
    again = Person(shell, "runs", "follow", run_id)
    again.until("café is ready")
    again.type(b"\x03")
    again.until("Stop the run")
    again.type(b"\x03")
    assert again.leave() == 130
    assert shell.azure.run(run_id).status == "Running"

    # And again: `s` stops it, and what it says last is still seen.
    last = Person(shell, "runs", "follow", run_id)
    last.until("café is ready")
    last.type(b"\x03")
    last.until("Stop the run")
    last.type(b"s\n")
    assert last.leave() == 7, last.screen
    assert "tidied up" in last.screen
    assert f"The run {run_id} was canceled" in last.screen
    assert shell.azure.run(run_id).status == "Canceled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_a_signal_leaves_at_once(
    shell: Shell, workspace: Any, number: signal.Signals
) -> None:
    """With how to come back; nobody is asked, and the run goes on."""
    run_id = start_script(workspace, shell.folder / "code", "echo working; sleep 40")
    following = shell.start("runs", "follow", run_id[-8:])
    assert following.stdout is not None
    assert following.stdout.readline() == "working\n"
    following.send_signal(number)
    _, said = following.communicate(timeout=20)
    assert following.returncode == 130
    assert f"Come back with: submitter runs follow {run_id}" in said
    assert "Stop the run" not in said
    assert shell.azure.run(run_id).status == "Running"
    RunHandle(AzureMLCore(workspace).run(run_id)).cancel()


def test_status_changes_come_with_their_times(shell: Shell, workspace: Any) -> None:
    """How long the run was at work before its end; and why it ended."""
    go = shell.folder / "go"
    script = f"until [ -e '{go}' ]; do sleep 0.1; done; echo out of memory; exit 9"
    run_id = start_script(workspace, shell.folder / "code", script)
    following = shell.start("runs", "follow", run_id)
    assert following.stderr is not None
    assert "s] Running" in following.stderr.readline()
    go.touch()
    seen, said = following.communicate(timeout=40)
    assert (following.returncode, seen) == (6, "out of memory\n")
    assert re.search(r"^\[ +\d+\.\d s\] Failed \(Running \d+ s\)$", said, re.MULTILINE)
    assert "failed: User program exited with status code 9" in said


def test_the_log_of_a_run_that_starts_anew_is_shown_again(shell: Shell, workspace: Any) -> None:
    """As after a preemption: the same run, another log."""
    script = "seq 1000; sleep 4; truncate -s 0 /proc/self/fd/1; echo second life; sleep 3"
    run_id = start_script(workspace, shell.folder / "code", script)
    log, notices = bytearray(), list[str]()
    run = RunHandle(AzureMLCore(workspace).run(run_id))
    run.follow(log.extend, on_notice=notices.append)
    assert log.decode().splitlines() == [*map(str, range(1, 1001)), "second life"]
    assert notices == ["The log user_logs/std_log.txt was written anew; it starts again here."]


def test_the_logs_of_all_nodes_come_line_by_line(shell: Shell, workspace: Any) -> None:
    """Each line after its log's name; alone, a log is shown as it is."""
    script = 'echo "rank $OMPI_COMM_WORLD_RANK"; sleep 1; printf unfinished'
    run_id = start_script(workspace, shell.folder / "code", script, nodes=2)
    done = shell("runs", "follow", run_id, "--all-logs")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "std_log_process_0 | rank 0",
        "std_log_process_0 | unfinished",
        "std_log_process_1 | rank 1",
        "std_log_process_1 | unfinished",
    ]
    run = RunHandle(AzureMLCore(workspace).run(run_id))
    main, other = bytearray(), bytearray()
    run.follow(main.extend)
    run.follow(other.extend, logs=["std_log_process_1"])
    assert (main, other) == (b"rank 0\nunfinished", b"rank 1\nunfinished")


def test_tokens_that_live_for_seconds_end_no_following(shell: Shell, azure: Emulator) -> None:
    """A run of days outlives many tokens: each look signs in again if it must."""
    azure.faults.add("entra", "POST", token=TokenFault(seconds=2), times=None)
    try:
        with client_of(azure) as workspace:
            script = "for i in 1 2 3 4 5 6; do echo $i; sleep 1; done"
            run_id = start_script(workspace, shell.folder / "code", script)
            log = bytearray()
            RunHandle(AzureMLCore(workspace).run(run_id)).follow(log.extend)
    finally:
        azure.faults.clear()
    assert log.split() == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_a_refused_token_is_replaced_by_a_fresh_one(shell: Shell, workspace: Any) -> None:
    """Although it looks good from here: a clock that is wrong, a key that was rolled."""
    run_id = start_script(workspace, shell.folder / "code", "echo a; sleep 3; echo b")
    run = RunHandle(AzureMLCore(workspace).run(run_id))
    shell.azure.faults.add("azureml.runs", f"GET .*/runs/{run_id}$", status=401)
    before = len(shell.azure.requests)
    log = bytearray()
    run.follow(log.extend)
    requests = list(shell.azure.requests)[before:]
    assert log == b"a\nb\n"
    assert [each.status for each in requests if each.status == 401] == [401]
    assert any((each.service, each.method) == ("entra", "POST") for each in requests)


def test_a_look_costs_two_requests_at_most(shell: Shell, workspace: Any) -> None:
    """One for the log, one for the status; counted at the services, not at our own."""
    run_id = start_script(workspace, shell.folder / "code", "echo a; sleep 6")
    run = RunHandle(AzureMLCore(workspace).run(run_id))
    shell.azure.wait_for_run(run_id, frozenset({"Running"}))
    before, began = len(shell.azure.requests), time.monotonic()
    run.follow(lambda _: None)
    looks = time.monotonic() - began
    details = 2 * 4 + 2  # at the beginning and the end
    assert len(shell.azure.requests) - before <= 2 * looks + details
