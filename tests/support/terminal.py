"""A terminal to run `submitter` in."""

import os
import pty
import select
import subprocess
import sys
import time

from support.shell import Shell


class Person:
    """Somebody who has typed a `submitter` command and looks at the screen.

    Args:
        shell: Where it is typed.
        arguments: What stands behind `submitter`.
        variables: More variables; this is no CI, unless they say so.
    """

    def __init__(self, shell: Shell, *arguments: str, **variables: str) -> None:
        self._here, there = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", sys.executable, "-m", "submitter", *arguments],
            cwd=shell.folder,
            env={**shell.environ, "CI": "", "TERM": "xterm", "COLUMNS": "100", **variables},
            stdin=there,
            stdout=there,
            stderr=there,
        )
        os.close(there)
        self.screen = ""
        self._bytes = b""

    def until(self, text: str, seconds: float = 40) -> None:
        """Read the screen until a text is on it."""
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < deadline, f"no {text!r} on the screen: {self.screen}"
            if not self._read(1.0):
                raise AssertionError(f"the program left; no {text!r} on the screen: {self.screen}")

    def type(self, keys: bytes) -> None:
        """Press keys; the byte 3 is Ctrl-C."""
        os.write(self._here, keys)

    def leave(self) -> int:
        """Read the rest; return the exit code."""
        while self._read(40.0):
            pass
        os.close(self._here)
        return self.process.wait(20)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._here], [], [], seconds)[0]:
            return True
        try:
            self._bytes += os.read(self._here, 4096)
        except OSError:  # the last program has left the terminal
            return False
        self.screen = self._bytes.decode(errors="replace").replace("\r\n", "\n")
        return True


def at_a_terminal(
    shell: Shell, *arguments: str, typed: str = "", **variables: str
) -> tuple[int, str]:
    """Run `submitter` at a terminal in CI; return the exit code and the screen's text."""
    person = Person(shell, *arguments, **{"CI": "1", **variables})
    if typed:
        person.until("(not shown)")
        person.type(f"{typed}\n".encode())
    return person.leave(), person.screen
