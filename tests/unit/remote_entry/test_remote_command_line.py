"""``python -m remote_entry run``: one message and one exit code for each mistake."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from remote_entry.__main__ import INTERNAL_ERROR, INTERRUPTED
from remote_entry.supervision.supervise import PACKAGE_PARENT


def command_line(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the program with no more variables than it needs."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_PARENT)} | variables
    return subprocess.run(
        [sys.executable, "-m", "remote_entry", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command_without_secrets_just_runs() -> None:
    """Nothing is configured, nothing is asked, nothing is printed."""
    result = command_line("run", "--", "sh", "-c", "echo hello; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, "hello\n", "")


def test_options_of_the_command_are_its_own() -> None:
    """Everything after -- belongs to the command, --help included."""
    assert command_line("run", "--", "echo", "--help", "--", "x").stdout == "--help -- x\n"


def test_missing_command_is_wrong_usage() -> None:
    """Argparse's exit code, and an example."""
    result = command_line("run", "--")
    assert result.returncode == 2
    assert "run -- python train.py" in result.stderr


def test_unknown_program_ends_as_in_a_shell() -> None:
    """127, and where it was looked for."""
    result = command_line("run", "--", "no-such-program")
    assert result.returncode == 127
    assert "Command not found: no-such-program; looked in PATH=" in result.stderr
    assert "Traceback" not in result.stderr


def test_program_that_is_not_executable_ends_as_in_a_shell(tmp_path: Path) -> None:
    """126, and how to make it executable."""
    script = tmp_path / "train.py"
    script.write_text("print(1)")
    script.chmod(stat.S_IRUSR)
    result = command_line("run", "--", str(script))
    assert result.returncode == 126
    assert f"chmod +x {script}" in result.stderr


def test_settings_are_checked_before_the_command_starts() -> None:
    """Exit code 3, every problem listed, no traceback."""
    result = command_line("run", "--", "echo", "started", AZURE_SECRET_1="under_score")
    assert result.returncode == 3
    assert result.stdout == ""
    assert "AZURE_SECRET_1 is not a secret's name" in result.stderr
    assert "AZURE_TENANT_ID is not set" in result.stderr
    assert "Traceback" not in result.stderr


def test_workspace_secret_outside_a_run_is_an_identity_error() -> None:
    """Exit code 4."""
    result = command_line("run", "--", "true", API_KEY_FROM_WORKSPACE="api-key")
    assert result.returncode == 4
    assert "AZUREML_RUN_ID is not set" in result.stderr


def test_traceback_is_shown_on_demand_only() -> None:
    """And it holds no credential even then."""
    variables = {"AZURE_SECRET_1": "a_b", "AZURE_CLIENT_SECRET": "canary-value"}
    result = command_line("run", "--", "true", REMOTE_ENTRY_DEBUG="1", **variables)
    assert result.returncode == 3
    assert "Traceback" in result.stderr
    assert "canary-value" not in result.stderr


def test_client_secret_is_masked_in_the_commands_output() -> None:
    """Also if no secret is read with it."""
    result = command_line(
        "run", "--", "echo", "canary-value", AZURE_CLIENT_SECRET=" canary-value\n"
    )
    assert result.stdout == "***\n"


def test_values_of_other_credentials_are_masked_too() -> None:
    """The run's own token is; flags, folders and names of secrets are no secrets."""
    variables = {
        "AZUREML_RUN_TOKEN": "canary-token-of-the-run" * 30,
        "SOME_TOKEN": "true",
        "PWD": str(PACKAGE_PARENT),
        "AZURE_SECRET_": "name-of-a-secret",
    }
    code = f"import os; print(*map(os.environ.get, {[*variables]}))"
    result = command_line("run", "--", sys.executable, "-c", code, **variables)
    assert result.stdout == f"*** true {PACKAGE_PARENT} name-of-a-secret\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_signal_while_the_secrets_are_read_ends_at_once(number: signal.Signals, code: int) -> None:
    """There is no command yet that could have its say, and nothing to print."""
    program = (
        "import remote_entry.__main__ as entry, signal\n"
        "def resolve(*_, **__): print('ready', flush=True); signal.pause()\n"
        "entry.resolve = resolve\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "entry.program(['run', '--', 'true'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stderr.read() == b""
        assert process.wait(60) == code


def test_core_dumps_are_off(tmp_path: Path) -> None:
    """A core file would hold every secret; a limit of 0 would not stop a collector of crashes."""
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_CORE)); os.abort()"
    crash = f'cd {tmp_path} && exec {sys.executable} -c "{code}"'
    result = command_line("run", "--", "sh", "-c", crash)
    assert (result.returncode, result.stdout) == (128 + signal.SIGABRT, "(1, 1)\n")
    assert list(tmp_path.iterdir()) == []


def test_mistake_of_this_package_is_one_line() -> None:
    """An unexpected exception shows its class; its text may hold anything."""
    program = (
        "import remote_entry.__main__ as program, sys\n"
        "def broken(*_, **__): raise LookupError('canary')\n"
        "program.resolve = broken\n"
        "sys.exit(program.main(['run', '--', 'true']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == INTERNAL_ERROR
    assert result.stderr.startswith("remote_entry: error: Unexpected LookupError\n")
    assert "canary" not in result.stderr
