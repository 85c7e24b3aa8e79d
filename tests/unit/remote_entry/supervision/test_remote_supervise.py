"""The command runs in a clean environment, masked, and ends as if it had run alone."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from remote_entry.masking import Masker
from remote_entry.secret import Secret
from remote_entry.settings.references import WorkspaceReference
from remote_entry.supervision.handover import Bundle
from remote_entry.supervision.relay import Relay
from remote_entry.supervision.supervise import FORWARDED_SIGNALS, PACKAGE_PARENT, clean_environment

BOUND_SECONDS = 30

# The supervisor as a program: its secrets are given, so that no vault is needed.
SUPERVISOR = """
import sys
from remote_entry.supervision.handover import Bundle
from remote_entry.masking import Masker
from remote_entry.settings.references import SecretReference
from remote_entry.secret import Secret
from remote_entry.supervision.supervise import run_command
import os

bundle = Bundle((Secret(SecretReference("2", "sql-password"), "correct-horse"),))
sys.exit(
    run_command(
        sys.argv[2:],
        environ=os.environ,
        bundle=bundle,
        masker=Masker(["correct-horse"]),
        grace=float(sys.argv[1]),
    )
)
"""


def start(
    *command: str,
    grace: float = 20,
    environ: Mapping[str, str] | None = None,
    stdin: int | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a supervisor with a command."""
    variables = dict(os.environ) | {"PYTHONPATH": str(PACKAGE_PARENT)} | dict(environ or {})
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(grace), *command],
        env=variables,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(
    *command: str, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command under a supervisor to its end."""
    process = start(*command, environ=environ)
    stdout, stderr = process.communicate(timeout=BOUND_SECONDS)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def python(code: str) -> tuple[str, str, str]:
    """Return a command that runs Python code."""
    return (sys.executable, "-c", code)


def read_until(process: "subprocess.Popen[bytes]", wanted: bytes) -> bytes:
    """Return a supervisor's output up to something."""
    assert process.stdout is not None
    output = b""
    while wanted not in output:
        chunk = os.read(process.stdout.fileno(), 65536)
        assert chunk, f"ended before {wanted!r}: {output!r}"
        output += chunk
    return output


@pytest.fixture
def masked_pipe() -> Iterator[tuple[int, int, Relay]]:
    """Return a pipe's writing end, where its relay writes to, and the relay."""
    source, writing_end = os.pipe()
    reading_end, target = os.pipe()
    relay = Relay(os.fdopen(source, "rb", buffering=0), target, Masker(["correct-horse"]))
    yield writing_end, reading_end, relay
    os.close(reading_end)
    os.close(target)


def test_exit_code_is_the_commands() -> None:
    """Azure ML tells success from failure by it."""
    assert run("sh", "-c", "exit 0").returncode == 0
    assert run("sh", "-c", "exit 41").returncode == 41


def test_death_by_signal_is_told_as_a_shell_does() -> None:
    """128 + n."""
    assert run("sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_both_streams_are_masked_and_stay_apart() -> None:
    """Standard output and standard error arrive where they were written to."""
    result = run("sh", "-c", "echo out correct-horse; echo err correct-horse >&2")
    assert result.stdout == b"out ***\n"
    assert result.stderr == b"err ***\n"


def test_last_line_without_a_newline_is_not_lost() -> None:
    """Even if it might have become a secret."""
    assert run("printf", "the end: corr").stdout == b"the end: corr"


def test_command_and_its_children_see_no_credentials() -> None:
    """Neither in their environment nor in /proc/<pid>/environ."""
    credentials = {
        "AZURE_CLIENT_SECRET": "canary-1",
        "AZUREML_SERVICE_PRINCIPAL_PASSWORD": "canary-2",
        "SQL_PASSWORD": "canary-3",
    }
    result = run("sh", "-c", "env; sh -c env; cat /proc/self/environ", environ=credentials)
    assert b"canary" not in result.stdout
    assert b"REMOTE_ENTRY_SECRETS_FD=" in result.stdout


def test_command_reads_its_secrets_by_label_or_name() -> None:
    """The library finds what the supervisor handed over."""
    result = run(
        *python(
            "from remote_entry import get_secret\n"
            "print(get_secret(2).value == get_secret('sql-password').value == 'correct' '-horse')\n"
            "print(get_secret('AZURE_SECRET_2'), get_secret(2).value)"
        )
    )
    assert result.stdout == (
        b"True\n<Secret AZURE_SECRET_2 \xe2\x86\x92 sql-password (latest version)> ***\n"
    )


def test_child_that_inherits_the_descriptor_reads_the_secrets_too() -> None:
    """Launchers start the training script as a process of their own."""
    code = "from remote_entry import get_secret; print(len(get_secret(2).value))"
    script = f"{sys.executable} -c '{code}'; {sys.executable} -c '{code}'"
    assert run("sh", "-c", script).stdout == b"13\n13\n"


def test_each_step_of_a_progress_bar_arrives_before_the_next() -> None:
    """The command goes on only when the reader has seen the line so far."""
    code = (
        "import sys\n"
        "for step in range(3):\n"
        "    print(end=f'\\r{step} %', flush=True)\n"
        "    sys.stdin.readline()"
    )
    with start(*python(code), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for step in range(3):
            assert read_until(process, b"%") == f"\r{step} %".encode()
            process.stdin.write(b"seen\n")
            process.stdin.flush()
        assert process.wait(BOUND_SECONDS) == 0


@pytest.mark.parametrize("number", FORWARDED_SIGNALS)
def test_signals_reach_the_command(number: signal.Signals) -> None:
    """The command may save its work and chooses its exit code."""
    code = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(7))\n"
        "print('ready')\n"
        "signal.pause()"
    )
    with start(*python(code)) as process:
        read_until(process, b"ready")
        process.send_signal(number)
        assert process.wait(BOUND_SECONDS) == 7


def test_ignored_signal_stays_ignored() -> None:
    """What nohup, or a shell that starts a job in the background, arranged is kept."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGHUP, lambda *_: sys.exit(9))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready')\n"
        "signal.pause()"
    )
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(*python(code))
    finally:
        signal.signal(signal.SIGHUP, previous)
    with process:
        read_until(process, b"ready")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND_SECONDS) == 7


def test_signal_reaches_the_whole_process_group() -> None:
    """A shell's child is told as well, or it would go on alone."""
    with start("sh", "-c", "sleep 60 & echo $!; wait") as process:
        child = int(read_until(process, b"\n"))
        process.send_signal(signal.SIGTERM)
        process.wait(BOUND_SECONDS)
    assert not is_running(child)


def is_running(process_id: int) -> bool:
    """Tell whether a process is still at work; one that nobody reaped yet is not."""
    status = Path(f"/proc/{process_id}/status")
    for _ in range(100):
        if not status.exists() or re.search(r"^State:\s+Z", status.read_text(), re.MULTILINE):
            return False
        time.sleep(0.02)
    return True


def test_command_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    """A cancelled run ends."""
    code = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('no'))\n"
        "print('ready')\n"
        "while True: signal.pause()"
    )
    with start(*python(code), grace=0.2) as process:
        read_until(process, b"ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND_SECONDS) == 128 + signal.SIGKILL


def test_stream_that_nobody_reads_does_not_block_the_other() -> None:
    """Each stream has its own thread: 50 MB pass by a full pipe, and then its own 50 MB."""
    code = (
        "import os, threading\n"
        "block = b'x' * 1_000_000\n"
        "def fill(descriptor):\n"
        "    for _ in range(50):\n"
        "        rest = memoryview(block)\n"
        "        while rest: rest = rest[os.write(descriptor, rest):]\n"
        "other = threading.Thread(target=fill, args=(1,))\n"
        "other.start(); fill(2); other.join()"
    )
    with start(*python(code)) as process:
        for stream in (process.stderr, process.stdout):
            assert stream is not None
            assert len(stream.read(50_000_000)) == 50_000_000
        assert process.wait(BOUND_SECONDS) == 0


def test_process_left_behind_does_not_hold_the_run() -> None:
    """A daemon that keeps the pipe open is not waited for."""
    with start("sh", "-c", "sleep 60 & echo $!") as process:
        child = int(read_until(process, b"\n"))
        assert process.wait(BOUND_SECONDS) == 0
        os.kill(child, signal.SIGKILL)


def test_process_left_behind_that_writes_for_ever_does_not_hold_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is one waited for that never falls silent."""
    monkeypatch.setattr("remote_entry.supervision.relay.LONGEST_SECONDS_AFTER_EXIT", 0.05)
    source, writing_end = os.pipe()
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (its descriptor is needed)
        relay = Relay(os.fdopen(source, "rb", buffering=0), nowhere.fileno(), Masker([]))
        relay.command_ended()
        with pytest.raises(BrokenPipeError):
            write_for_ever(writing_end)
        relay.join()
    os.close(writing_end)


def write_for_ever(descriptor: int) -> None:
    """Write until nobody reads any more."""
    while True:
        os.write(descriptor, b"still here")


def test_closed_output_ends_the_command_as_in_a_pipeline() -> None:
    """`… | head` stops a program that writes for ever."""
    process = start("yes")
    assert process.stdout is not None
    assert process.stderr is not None
    os.read(process.stdout.fileno(), 10)
    process.stdout.close()
    assert process.wait(BOUND_SECONDS) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_relay_writes_what_is_ready_and_the_rest_at_the_end(
    masked_pipe: tuple[int, int, Relay],
) -> None:
    """The pipe's end flushes what was held back."""
    writing_end, reading_end, relay = masked_pipe
    os.write(writing_end, b"saying corr")
    assert os.read(reading_end, 100) == b"saying "
    os.close(writing_end)
    relay.command_ended()
    relay.join()
    assert os.read(reading_end, 100) == b"corr"


def test_relay_shows_the_last_digit_when_the_command_pauses(
    masked_pipe: tuple[int, int, Relay],
) -> None:
    """Even if a secret begins with it."""
    writing_end, reading_end, relay = masked_pipe
    os.write(writing_end, b"step c")
    assert os.read(reading_end, 100) == b"step "
    assert os.read(reading_end, 100) == b"c"
    os.write(writing_end, b"orrect-horse\r")
    assert os.read(reading_end, 100) == b"***\r"
    os.close(writing_end)
    relay.command_ended()
    relay.join()


def test_relay_waits_for_an_output_that_does_not_block(
    masked_pipe: tuple[int, int, Relay],
) -> None:
    """A full pipe that says so instead of blocking loses nothing."""
    writing_end, reading_end, relay = masked_pipe
    os.set_blocking(relay._target, False)
    pending = memoryview(b"x" * 1_000_000)
    received = 0
    os.set_blocking(writing_end, False)
    while received < 1_000_000:
        if pending and select.select([], [writing_end], [], 0)[1]:
            pending = pending[os.write(writing_end, pending[:4096]) :]
        else:
            received += len(os.read(reading_end, 65536))
    os.close(writing_end)
    relay.command_ended()
    relay.join()


def test_package_is_importable_from_any_folder(tmp_path: Path) -> None:
    """The package travels beside the user's code; a script in src/ finds it as well."""
    script = tmp_path / "train.py"
    script.write_text("import remote_entry; print(remote_entry.__name__)")
    assert run(sys.executable, str(script)).stdout == b"remote_entry\n"


def test_environment_keeps_what_the_user_set() -> None:
    """Only credentials are taken away; the package's folder comes last."""
    environ = {"PYTHONPATH": "/mine", "PYTHONUNBUFFERED": "", "HOME": "/h"}
    cleaned = clean_environment(
        environ | {"AZURE_CLIENT_SECRET": "x"}, Bundle(), {"REMOTE_ENTRY_SECRETS_FD": 5}
    )
    assert cleaned == {
        "PYTHONPATH": os.pathsep.join(["/mine", str(PACKAGE_PARENT)]),
        "PYTHONUNBUFFERED": "",
        "HOME": "/h",
        "REMOTE_ENTRY_SECRETS_FD": "5",
    }


def test_environment_gets_the_workspaces_values_without_credentials() -> None:
    """A value in clear makes room even where the workspace's own is kept back."""
    workspace = tuple(
        Secret(WorkspaceReference(variable, "name"), f"workspace {variable}")
        for variable in ("MODE", "API_KEY", "SQL_USERNAME", "SQL_PASSWORD")
    )
    environ = {
        "MODE": "old",
        "API_KEY": "old",
        "SQL_USERNAME": "old",
        "MODE_FROM_WORKSPACE": "name",
    }
    cleaned = clean_environment(
        environ, Bundle(workspace=workspace), {"REMOTE_ENTRY_SECRETS_FD": 5}
    )
    assert cleaned["MODE"] == "workspace MODE"
    assert not {"API_KEY", "SQL_USERNAME", "SQL_PASSWORD"} & set(cleaned)


def test_supervisor_inside_a_supervisor_steps_aside() -> None:
    """A job's command may say `remote_entry run` itself: the secrets are there already."""
    code = "from remote_entry import get_secret; print(get_secret(2).value)"
    module = (sys.executable, "-m", "remote_entry", "run", "--")
    result = run(*module, *python(code), environ={"AZURE_SECRET_2": "sql-password"})
    assert (result.returncode, result.stdout, result.stderr) == (0, b"***\n", b"")
    assert run(*module, "no-such-program").returncode == 127


def test_empty_bundle_is_handed_over_too() -> None:
    """A command without secrets runs, and the library does not look further."""
    assert Bundle().secrets == ()
    code = (
        "import remote_entry\n"
        "try: remote_entry.get_secret('API')\n"
        "except remote_entry.SettingsError as error: print(error.kind)"
    )
    assert run(*python(code)).stdout == b"settings.unknown-secret\n"
