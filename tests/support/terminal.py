"""A terminal to run `submitter` in."""

import os
import pty
import subprocess
import sys

from support.shell import Shell


def at_a_terminal(
    shell: Shell, *arguments: str, typed: str = "", **variables: str
) -> tuple[int, str]:
    """Run `submitter` with a terminal of its own; return the exit code and the screen's text."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-m", "submitter", *arguments],
        cwd=shell.folder,
        env={**shell.environ, "TERM": "xterm", "COLUMNS": "100", **variables},
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    screen = b""
    while True:
        try:
            screen += os.read(here, 4096)
        except OSError:  # the last program has left the terminal
            break
        if typed and b"(not shown)" in screen:
            os.write(here, f"{typed}\n".encode())
            typed = ""
    os.close(here)
    return process.wait(), screen.decode()
