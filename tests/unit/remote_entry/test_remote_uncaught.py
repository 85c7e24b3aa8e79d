"""An error of this package that nobody catches is one message and its own exit code."""

import os
import subprocess
import sys

import pytest

FAILING = """\
from remote_entry.uncaught import report_uncaught_errors
from remote_entry.errors import VaultError
import atexit
report_uncaught_errors()
atexit.register(print, "cleaned up")
raise {error}
"""
OURS = 'VaultError("The vault is shut", kind="vault.shut", hint="open it")'


def run(error: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script that raises an error."""
    return subprocess.run(
        [sys.executable, "-c", FAILING.format(error=error)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_supervised_script_ends_with_message_place_and_code() -> None:
    """No traceback; what the script registered for its end still runs."""
    done = run(OURS, REMOTE_ENTRY_SECRETS_FD="9")
    assert done.returncode == 5
    assert done.stderr == (
        "remote_entry: error: The vault is shut\n  Next: open it\n  At: <string>, line 6\n"
    )
    assert done.stdout == "cleaned up\n"


@pytest.mark.parametrize(
    ("error", "variables"),
    [
        ('ValueError("of the user")', {"REMOTE_ENTRY_SECRETS_FD": "9"}),
        (OURS, {"REMOTE_ENTRY_SECRETS_FD": "9", "REMOTE_ENTRY_DEBUG": "1"}),
        (OURS, {}),
    ],
)
def test_everything_else_is_reported_as_ever(error: str, variables: dict[str, str]) -> None:
    """A user's own error, a wish for the traceback, a process that nobody supervises."""
    done = run(error, **variables)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
