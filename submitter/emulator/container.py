"""Programs of a run in containers: each one in an image, on its node's folder, with little else.

The run's variables reach a program through its standard input, as a script that a shell in the
container reads. So they are on no command line, in no file, and in nothing that `podman inspect`
shows.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from submitter.emulator.jobs import Failure, PreparationError
from submitter.emulator.process import ProcessGroup, Program

USER = 10001
WORK = "/mnt/work"
HOME = "/tmp"  # noqa: S108 - the container's own
PIDS = 1024

LOOKS = 100
SECONDS_BETWEEN_LOOKS = 0.1

# What the emulator adds for clients to trust it: files, which the container has to see.
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The first process of a container gets no signal that it does not ask for, so the shell stays the
# first, and asks. The program's standard input is empty.
_LAUNCHER = """\
trap 'kill -TERM -1' TERM
"$@" </dev/null &
wait "$!"; code=$?
while kill -0 "$!" 2>/dev/null; do wait "$!"; code=$?; done
exit "$code"
"""


@dataclass(frozen=True)
class Box:
    """What a target's containers are.

    Attributes:
        image: The image; it is never pulled.
        memory: How much memory each may use, as podman takes it.
    """

    image: str
    memory: str


class ContainerGroup(ProcessGroup):
    """Programs in a container each; what they start dies with their container.

    Args:
        programs: What is started, all at once.
        grace: Seconds that the others have when one has failed.
        box: What the containers are.

    Raises:
        PreparationError: There is no podman or docker here, no such image, or a variable whose
            name no shell can set.
    """

    def __init__(self, programs: Sequence[Program], grace: float, box: Box) -> None:
        self._box = box
        self._engine = _engine(box)
        self._names: list[str] = []
        for program in programs:
            _check(program)
        super().__init__(programs, grace)

    def _start(self, program: Program) -> "subprocess.Popen[bytes]":
        name = f"emulator-{uuid.uuid4().hex}"
        self._names.append(name)
        with program.log.open("ab") as log:
            process = subprocess.Popen(
                [self._engine, *_arguments(name, program, self._box)],
                cwd=program.folder.parent,  # podman's helper leaves a note there if memory ran out
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert process.stdin is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(BrokenPipeError):  # its exit code and its log say why
            process.stdin.write(_script(program.environment).encode())
            process.stdin.close()
        return process

    def _signal(self, number: signal.Signals) -> None:
        subprocess.run(
            [self._engine, "kill", "--signal", number.name, *self._names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    def _kill_everything(self) -> None:
        """Kill the containers, those as well that are only being made."""
        for _ in range(LOOKS):
            with self._changed:
                if self._have_ended():
                    return
            self._signal(signal.SIGKILL)
            with self._changed:
                self._changed.wait_for(self._have_ended, SECONDS_BETWEEN_LOOKS)


def make_writable(folder: Path) -> None:
    """Make a node's folder writable for the user of its container."""
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)


def _engine(box: Box) -> str:
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None:
        raise PreparationError(
            Failure("This compute target runs containers, and neither podman nor docker is here.")
        )
    if not _is_here(engine, box.image):
        raise PreparationError(
            Failure(f"There is no image {box.image} on this machine. Build it with: make image")
        )
    return engine


def _is_here(engine: str, image: str) -> bool:
    asked = subprocess.run([engine, "image", "inspect", image], capture_output=True, check=False)
    return asked.returncode == 0


def _check(program: Program) -> None:
    wrong = sorted(name for name in program.environment if not _IDENTIFIER.fullmatch(name))
    if wrong:
        names = ", ".join(wrong)
        message = f"A shell in a container cannot set the variables {names}; rename them."
        raise PreparationError(Failure(message, code="UserError"))


def _arguments(name: str, program: Program, box: Box) -> Sequence[str]:
    """Return what podman is asked for; docker understands the same."""
    authorities = {
        program.environment[variable] for variable in AUTHORITIES if variable in program.environment
    }
    # Files of a user's own cannot be given away: without root, that user is the container's.
    mapped = () if os.geteuid() == 0 else (f"--userns=keep-id:uid={USER},gid={USER}",)
    return [
        *("run", "--rm", "--interactive", "--name", name, "--pull", "never"),
        *("--read-only", "--tmpfs", "/tmp:rw,mode=1777", "--user", f"{USER}:{USER}", *mapped),  # noqa: S108
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", box.memory, "--pids-limit", str(PIDS)),
        # The emulator is on this machine's loopback interface, which no other network reaches.
        *("--network", "host", "--log-driver", "none"),
        *("--volume", f"{program.folder}:{WORK}:rw", "--workdir", WORK),
        *(f"--volume={file}:{file}:ro" for file in sorted(authorities)),
        *("--entrypoint", "/bin/sh", box.image, "-s", "--", *program.arguments),
    ]


def _script(environment: Mapping[str, str]) -> str:
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    return "".join((*exports, _LAUNCHER))
