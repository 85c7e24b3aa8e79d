"""A credential in clear is in no process's environment while the command runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remote_entry.supervision.clean_start import CREDENTIALS_DESCRIPTOR_VARIABLE
from remote_entry.supervision.handover import read_memory_file
from remote_entry.supervision.supervise import PACKAGE_PARENT

CREDENTIALS = {"AZURE_CLIENT_SECRET": "canary-one", "SQL_PASSWORD": "canary-two\udcff"}
SUPERVISE = ("-m", "remote_entry", "run", "--")
# Says in which environments something stands, in words that the mask leaves alone.
SEARCH = """
import json, os, subprocess, sys
from pathlib import Path

def shown(process):
    try:
        content = Path(f"/proc/{process}/environ").read_bytes()
    except PermissionError:  # only the superuser may look into the supervisor
        return ["closed"]
    return [name for name in ("canary", "planted") if name.encode() in content]

child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
child.stdin.write(b"there")
child.stdout.read(1)  # while a process starts, the kernel shows no environment of it
print(json.dumps([shown(process) for process in (os.getppid(), os.getpid(), child.pid)]))
child.communicate()
"""


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with no more variables than it needs."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_PARENT)} | variables
    return subprocess.run(
        [sys.executable, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def python(code: str) -> tuple[str, str, str]:
    """Return a command that runs Python code."""
    return (sys.executable, "-c", code)


def test_no_environment_shows_a_credential() -> None:
    """Neither the supervisor's own, nor the command's, nor a child's."""
    done = run(*SUPERVISE, *python(SEARCH), PLANTED="planted", **CREDENTIALS)
    supervisor, command, child = json.loads(done.stdout)
    assert supervisor in (["planted"], ["closed"])
    assert command == child == ["planted"]


def test_supervisor_knows_the_credentials_all_the_same() -> None:
    """They are masked in the command's output."""
    done = run(*SUPERVISE, "echo", "canary-one", **CREDENTIALS)
    assert done.stdout == "***\n"


def test_command_line_is_kept_as_it_was() -> None:
    """Python's own options, spaces and empty arguments too."""
    code = "import sys; print(sys.argv[1:])"
    done = run("-X", "utf8", *SUPERVISE, *python(code), "a b", "", "--", "*", **CREDENTIALS)
    assert done.stdout == "['a b', '', '--', '*']\n"


INNER = ("env", "PLANTED=planted", "AZURE_CLIENT_SECRET=canary", sys.executable, *SUPERVISE)


@pytest.mark.parametrize("inner", [(), INNER])
def test_command_does_not_inherit_the_credentials(inner: tuple[str, ...]) -> None:
    """The one memory file that it sees holds its own secrets."""
    code = (
        "import os\n"
        "links = [os.readlink(e) for e in os.scandir('/proc/self/fd') if os.path.lexists(e)]\n"
        "print([link for link in links if 'memfd' in link])\n"
        f"print({CREDENTIALS_DESCRIPTOR_VARIABLE!r} in os.environ)"
    )
    done = run(*SUPERVISE, *inner, *python(code), **CREDENTIALS)
    assert done.stdout == "['/memfd:remote_entry-secrets (deleted)']\nFalse\n"


def test_without_memory_files_the_command_runs_too() -> None:
    """Its own environment is clean; the supervisor's stays as it is."""
    code = (
        "import os, sys; del os.memfd_create\n"
        "from remote_entry.__main__ import main; sys.exit(main())"
    )
    done = run("-c", code, "run", "--", *python(SEARCH), PLANTED="planted", **CREDENTIALS)
    supervisor, command, child = json.loads(done.stdout)
    assert supervisor in (["canary", "planted"], ["closed"])
    assert command == child == ["planted"]


def test_supervisor_inside_a_supervisor_passes_no_credential_on() -> None:
    """Not even one that the command itself puts into its environment."""
    done = run(*SUPERVISE, *INNER, *python(SEARCH))
    assert json.loads(done.stdout)[1:] == [["planted"], ["planted"]]


def test_descriptor_that_is_not_there_is_explained() -> None:
    """Exit code 3, and the variable to remove."""
    done = run(*SUPERVISE, "echo", **{CREDENTIALS_DESCRIPTOR_VARIABLE: "77"})
    assert done.returncode == 3
    assert f"remove {CREDENTIALS_DESCRIPTOR_VARIABLE}" in done.stderr


def test_only_a_sealed_memory_file_is_believed(tmp_path: Path) -> None:
    """The number may belong to any file by now."""
    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    with pytest.raises(ValueError, match="sealed"):
        read_memory_file(unsealed)
    os.close(unsealed)
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="Invalid argument"):
        read_memory_file(file.fileno())
