"""Runs the user's command: clean environment, masked output, forwarded signals, its exit code.

The secrets reach the command over an inherited descriptor, never over its environment. Both output
streams pass through pipes and are masked as bytes, each on its own thread, so that neither can
block the other.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from remote_entry.access_token import AccessToken
from remote_entry.errors import NOT_EXECUTABLE, NOT_FOUND, CommandError
from remote_entry.masking import Masker
from remote_entry.settings import FROM_WORKSPACE_SUFFIX
from remote_entry.settings.credentials import CREDENTIAL_VARIABLES, looks_like_credential
from remote_entry.settings.references import PREFIX
from remote_entry.supervision.handover import DESCRIPTOR_VARIABLE, Bundle, write_bundle
from remote_entry.supervision.relay import Relay
from remote_entry.supervision.tokens import SOCKET_VARIABLE, TokenBroker

FORWARDED_SIGNALS = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT),  # schedulers announce the end by them
)
SIGNAL_EXIT_BASE = 128
SHORTEST_LIKELY_CREDENTIAL = 8
PACKAGE_PARENT = Path(__file__).resolve().parents[2]  # where `import remote_entry` finds us


def run_command(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    bundle: Bundle,
    masker: Masker,
    grace: float,
    sql_token: Callable[[], str] | None = None,
    storage_token: Callable[[], AccessToken] | None = None,
) -> int:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        environ: The variables of this process; the command gets them without the credentials.
        bundle: The secrets to hand over, and the variables from the workspace.
        masker: Knows every value that must not appear in the output.
        grace: Seconds between a SIGTERM and the SIGKILL of a command that goes on.
        sql_token: Returns an access token for the SQL Server whenever the command asks for one.
        storage_token: Returns a new one for blob storage likewise.

    Returns:
        The command's exit code; 128 + n if signal n ended it.

    Raises:
        CommandError: The command could not be started.
    """
    descriptor = write_bundle(bundle)
    inherited = {DESCRIPTOR_VARIABLE: descriptor}
    if sql_token is not None or storage_token is not None:
        broker = TokenBroker(sql_token, storage_token)
        inherited[SOCKET_VARIABLE] = broker.descriptor
    try:
        with SignalForwarder(grace) as forwarder:
            cleaned = clean_environment(environ, bundle, inherited)
            process = _start(command, cleaned, list(inherited.values()))
            forwarder.attach(process)
            relays = [
                Relay(process.stdout, sys.stdout.fileno(), masker),
                Relay(process.stderr, sys.stderr.fileno(), masker),
            ]
            return_code = process.wait()
            forwarder.detach()
            for relay in relays:
                relay.command_ended()
            for relay in relays:
                relay.join()
    finally:
        os.close(descriptor)
    return return_code if return_code >= 0 else SIGNAL_EXIT_BASE - return_code


def become_command(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by a command, under the supervisor that is already at work.

    The output is masked and signals arrive already; the descriptor with the secrets stays open.

    Args:
        command: Program and arguments.
        environ: The variables of this process; the command gets them without the credentials.

    Raises:
        CommandError: The command could not be started.
    """
    cleaned = {name: value for name, value in environ.items() if name not in CREDENTIAL_VARIABLES}
    try:
        os.execvpe(command[0], list(command), cleaned)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        raise _cannot_start(command[0], error) from None


def clean_environment(
    environ: Mapping[str, str], bundle: Bundle, inherited: Mapping[str, int]
) -> dict[str, str]:
    """Return the command's variables.

    Args:
        environ: The variables of this process.
        bundle: Brings the variables from the workspace.
        inherited: Variable → descriptor that the command inherits.

    Returns:
        The variables without credentials, those from the workspace in place of any in clear;
        ``import remote_entry`` works from any folder, and Python does not keep output back for the
        sake of a pipe.
    """
    replaced = {secret.reference.variable for secret in bundle.workspace}
    cleaned = {
        variable: value
        for variable, value in environ.items()
        if variable not in CREDENTIAL_VARIABLES | replaced
    }
    cleaned.update(bundle.variables())
    cleaned.update({variable: str(number) for variable, number in inherited.items()})
    cleaned.setdefault("PYTHONUNBUFFERED", "1")
    if PACKAGE_PARENT.name not in {"site-packages", "dist-packages"}:
        known = [path for path in (cleaned.get("PYTHONPATH"), str(PACKAGE_PARENT)) if path]
        cleaned["PYTHONPATH"] = os.pathsep.join(known)
    return cleaned


def credentials_in(environ: Mapping[str, str]) -> set[str]:
    """Return the values that must not be shown, by their variables' names.

    Azure ML's own AZUREML_RUN_TOKEN is among them: the command needs it, but a log that lists the
    variables would hand it to every reader.

    Args:
        environ: The variables of this process.
    """
    found = set()
    for variable, text in environ.items():
        value = text.strip()
        certain = variable in CREDENTIAL_VARIABLES
        names_one = variable.startswith(PREFIX) or variable.endswith(FROM_WORKSPACE_SUFFIX)
        likely = looks_like_credential(variable) and not names_one
        if certain or (likely and not _is_flag_or_path(value)):
            found.add(value)
    return found


def _is_flag_or_path(value: str) -> bool:
    """Tell what a log must go on to show: SOME_TOKEN=true, and PWD, the shell's folder."""
    if len(value) < SHORTEST_LIKELY_CREDENTIAL:
        return True
    return os.path.exists(value)  # noqa: PTH110 (Path.exists raises for what is too long for a name)


def _start(
    command: Sequence[str], environ: Mapping[str, str], descriptors: Sequence[int]
) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own."""
    try:
        return subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot_start(command[0], error) from None


def _cannot_start(program: str, error: OSError) -> CommandError:
    """Return the error that a shell would give, with its exit code."""
    if error.errno == errno.ENOENT:
        return CommandError(
            f"Command not found: {program}; looked in {_looked_in(program)}",
            kind="command.not-found",
            hint="check the spelling; a script needs its interpreter: python train.py",
            exit_code=NOT_FOUND,
        )
    return CommandError(
        f"Command cannot be executed: {program} ({os.strerror(error.errno or 0)})",
        kind="command.not-executable",
        hint=f"start it through its interpreter, or make it executable: chmod +x {program}",
        exit_code=NOT_EXECUTABLE,
    )


def _looked_in(program: str) -> str:
    """Say where a program was searched."""
    if os.sep in program:
        return str(Path.cwd())
    return f"PATH={os.environ.get('PATH', '')}"


class SignalForwarder:
    """Passes signals on to the command's process group while it runs.

    Args:
        grace: Seconds between a SIGTERM and the SIGKILL of a command that goes on.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._group: int | None = None
        self._early: list[int] = []
        self._previous: dict[signal.Signals, Any] = {}
        self._kill_timer: threading.Timer | None = None

    def __enter__(self) -> "SignalForwarder":  # noqa: PYI034 (typing.Self came with 3.11)
        for number in FORWARDED_SIGNALS:
            # What whoever started us ignores, as nohup does, the command goes on to ignore.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._forward)
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def attach(self, process: "subprocess.Popen[bytes]") -> None:
        """Forward to a process that leads its own group, first what arrived before it started."""
        self._group = process.pid
        for number in self._early:
            self._forward(number, None)

    def detach(self) -> None:
        """Stop forwarding: the command has ended, and its id may be given to another process."""
        self._group = None
        if self._kill_timer is not None:
            self._kill_timer.cancel()

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """Pass one signal on; the first SIGTERM starts the clock."""
        if self._group is None:
            self._early.append(number)
            return
        self._send(number)
        if number == signal.SIGTERM and self._kill_timer is None:
            self._kill_timer = threading.Timer(self._grace, self._send, [signal.SIGKILL])
            self._kill_timer.daemon = True
            self._kill_timer.start()

    def _send(self, number: int) -> None:
        """Signal the group, if there still is one."""
        if self._group is None:
            return
        try:
            os.killpg(self._group, number)
        except ProcessLookupError:
            self._group = None
