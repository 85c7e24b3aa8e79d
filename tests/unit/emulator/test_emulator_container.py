"""Containers of runs, with a stand-in for podman that needs neither root nor an image."""

import sys
from pathlib import Path

import pytest

from submitter.emulator.container import USER, Box, ContainerGroup
from submitter.emulator.jobs import PreparationError
from submitter.emulator.process import Program

BOX = Box("localhost/submitter:latest", "2g")
# Runs what would run in the container, in the folder that would be mounted, and keeps its own
# arguments and variables. Only `podman image inspect` and `podman run` are played.
STAND_IN = """\
#!/bin/sh
case "$1" in
    image) [ "$3" = localhost/submitter:latest ]; exit ;;
    run) ;;
    *) exit 1 ;;
esac
echo "$@" > "$0.arguments"
env > "$0.variables"
for word; do
    shift
    case "$word" in
        *:/mnt/work:rw) cd "${word%:/mnt/work:rw}" ;;
        localhost/submitter:latest) break ;;
    esac
done
exec /bin/sh "$@"
"""


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in where podman would be found."""
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def program(folder: Path, code: str, **variables: str) -> Program:
    """Make a program of Python code."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return Program([sys.executable, "-c", code], work, variables, folder / "log.txt")


def test_variables_arrive_and_are_on_no_command_line(podman: Path, tmp_path: Path) -> None:
    """Whatever is in them; podman itself has none of them in its environment either."""
    wild = 'it\'s "$HOME" `id` \\ \n second line; {}@%'
    code = "import os; print(repr(os.environ['WILD'])); open('here', 'w').close()"
    more_than_a_pipe_holds = {name: name * 50_000 for name in "ABC"}
    one = program(tmp_path, code, WILD=wild, **more_than_a_pipe_holds)
    group = ContainerGroup([one], 1, BOX)
    assert group.wait() == 0
    assert (tmp_path / "log.txt").read_text() == f"{wild!r}\n"
    assert (tmp_path / "work/here").exists()
    for kept in ("arguments", "variables"):
        assert "second line" not in Path(f"{podman}.{kept}").read_text()


def test_the_container_is_bounded(podman: Path, tmp_path: Path) -> None:
    """Read-only, without rights, with bounds; the authority's file is the only other mount."""
    authority = str(tmp_path / "ca.pem")
    group = ContainerGroup([program(tmp_path, "", SSL_CERT_FILE=authority)], 1, BOX)
    assert group.wait() == 0
    arguments = Path(f"{podman}.arguments").read_text()
    for part in (
        *("--read-only", f"--user {USER}:{USER}", "--cap-drop ALL", "--pull never"),
        *("--security-opt no-new-privileges", "--memory 2g", "--pids-limit 1024"),
        f"--volume={authority}:{authority}:ro",
    ):
        assert part in arguments
    assert arguments.count("--volume") == 2


def test_the_exit_code_is_the_programs(podman: Path, tmp_path: Path) -> None:
    """And the group knows which program failed."""
    good = program(tmp_path, "print('good')")
    group = ContainerGroup([good, program(tmp_path, "raise SystemExit(7)")], 1, BOX)
    assert group.wait() == 7
    assert group.failed == 1


def test_an_image_that_is_not_here_is_named(podman: Path, tmp_path: Path) -> None:
    """With what builds it."""
    box = Box("localhost/other:1", "2g")
    with pytest.raises(PreparationError, match=r"no image localhost/other:1 .* make image"):
        ContainerGroup([program(tmp_path, "")], 1, box)


def test_without_podman_the_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither podman nor docker on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreparationError, match="neither podman nor docker is here"):
        ContainerGroup([program(tmp_path, "")], 1, BOX)


def test_a_name_that_a_shell_cannot_set_is_refused(podman: Path, tmp_path: Path) -> None:
    """The value stays out of the message."""
    with pytest.raises(PreparationError, match="cannot set the variables a-b; rename") as caught:
        ContainerGroup([program(tmp_path, "", **{"a-b": "hunter2"})], 1, BOX)
    assert "hunter2" not in str(caught.value)
    assert caught.value.failure.code == "UserError"
