"""Access tokens for the SQL Server, from the supervisor to the command, over an inherited socket.

A token lasts about an hour and a command may run for days, so it asks for one whenever it connects.
What tokens are made from stays with the supervisor, and it hands out tokens for this one purpose
only. Each question carries a socket of its own for the answer, so that any number of processes can
ask at the same time.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping

from remote_entry.errors import IdentityError, SettingsError

SOCKET_VARIABLE = "REMOTE_ENTRY_TOKENS_FD"
ANSWER_SECONDS = 90.0

_QUESTION = b"token"


class TokenBroker:
    """Answers questions for a token until the process ends.

    Args:
        fetch: Returns a token, fresh at every call.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        threading.Thread(target=self._serve, daemon=True, name="remote-entry-tokens").start()

    @property
    def descriptor(self) -> int:
        """What the command has to inherit."""
        return self._theirs.fileno()

    def _serve(self) -> None:
        """Answer one question after the other."""
        while True:
            _, descriptors, _, _ = socket.recv_fds(self._socket, len(_QUESTION), maxfds=1)
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as asker:
                    self._answer(asker)

    def _answer(self, asker: socket.socket) -> None:
        """Send a token, or why there is none."""
        answer: dict[str, str]
        try:
            answer = {"token": self._fetch()}
        except IdentityError as error:
            answer = {"message": error.message, "kind": error.kind, "hint": error.hint}
        try:
            asker.sendall(json.dumps(answer).encode())
        except OSError:
            return  # whoever asked has gone


def find_token_source(environ: Mapping[str, str]) -> Callable[[], str]:
    """Return what asks the supervisor for a token.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.

    Raises:
        SettingsError: The supervisor handed no socket over.
    """
    descriptor = environ.get(SOCKET_VARIABLE, "")
    if not descriptor.isdecimal():
        raise _no_socket()
    return lambda: _ask(int(descriptor))


def _ask(descriptor: int) -> str:
    """Ask once."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(ANSWER_SECONDS)
        try:
            with theirs, socket.socket(fileno=os.dup(descriptor)) as broker:
                socket.send_fds(broker, [_QUESTION], [theirs.fileno()])
        except OSError:
            raise _no_socket() from None
        try:
            content = b"".join(iter(lambda: ours.recv(65536), b""))
        except TimeoutError:
            content = b""
    answer: dict[str, str] = json.loads(content or b"{}")
    if "token" in answer:
        return answer["token"]
    raise IdentityError(
        answer.get("message", "No access token: `remote_entry run` did not answer"),
        kind=answer.get("kind", "identity.no-answer"),
        hint=answer.get("hint", "check that the command is still a child of `remote_entry run`"),
    )


def _no_socket() -> SettingsError:
    """Return the error for a process that cannot reach the supervisor."""
    return SettingsError(
        "SQL_AUTH asks for an access token, and the socket of `remote_entry run` is not open in "
        f"this process: looked for descriptor {SOCKET_VARIABLE}",
        kind="settings.descriptor",
        hint="a process started with close_fds=True does not inherit it: pass "
        f"pass_fds=[int(os.environ['{SOCKET_VARIABLE}'])], or connect in the parent",
    )
