"""What a person at a terminal sees, and what `submitter emulator start` leaves to a shell."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from support.shell import Shell
from support.terminal import at_a_terminal

SECRET = "typed-by-a-person;{}"


def test_a_secret_is_asked_for_without_echo(shell: Shell) -> None:
    """Typed once, never on the screen."""
    code, screen = at_a_terminal(shell, "secret", "set", "asked", typed=SECRET)
    assert code == 0, screen
    assert "Value of asked (not shown):" in screen
    assert SECRET not in screen
    assert shell.azure.vault("kv-flights").secret("asked").value == SECRET


def test_lists_are_tables_with_a_header(shell: Shell) -> None:
    """At a terminal; in a pipe they are tab-separated lines."""
    shell.write("Dockerfile", "FROM base\n")
    assert shell("env", "register", "seen", "--folder", ".").returncode == 0
    _, screen = at_a_terminal(shell, "env", "list")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    assert re.search(r"^name +version", plain, re.MULTILINE)
    assert "seen\t1" in shell("env", "list").stdout


def test_an_emulator_that_was_started_serves_any_shell(shell: Shell) -> None:
    """It prints the variables to export, and ends on SIGTERM, leaving nothing."""
    shell.write("emulator.yml", "sql: null\n")
    started = shell.start("emulator", "start")
    exports: dict[str, str] = {}
    assert started.stdout is not None
    for line in started.stdout:
        name, _, value = line.removeprefix("export ").partition("=")
        exports[name] = shlex.split(value)[0]
        if name == "KEY_VAULT_URL":
            break
    done = subprocess.run(
        [sys.executable, "-m", "submitter", "secret", "list"],
        cwd=shell.folder,
        env={**os.environ, **exports},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sql-password" in done.stdout
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=20)
    assert started.returncode == 0
    assert not Path(exports["REQUESTS_CA_BUNDLE"]).exists()


def test_errors_are_one_message_without_a_traceback(shell: Shell) -> None:
    """And with one on request."""
    done = shell("plan", "none.yml")
    assert done.returncode == 2
    assert done.stderr.startswith("error: There is no file none.yml")
    assert "Traceback" in shell("--debug", "plan", "none.yml").stderr


def test_wrong_options_are_explained_by_the_command_line(shell: Shell) -> None:
    """Part of a workspace's address, a value where a name belongs, a folder that is not empty."""
    part = shell("env", "list", "--workspace", "w")
    assert (part.returncode, "give all three" in part.stderr) == (3, True)
    value = shell("secret", "set", "a", "--from-env", "hunter2")
    assert (value.returncode, "hunter2" in value.stderr) == (2, False)
    assert "a value on the command line is seen by" in value.stderr
    full = shell("init", ".")
    assert (full.returncode, "not empty; nothing was written" in full.stderr) == (2, True)
    empty = shell("secret", "set", "a", typed="")
    assert (empty.returncode, "is empty; nothing was set" in empty.stderr) == (2, True)
