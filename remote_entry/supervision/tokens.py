"""Access tokens, from the supervisor to the command, over an inherited socket.

A token lasts about an hour and a command may run for days, so it asks for one whenever it needs it.
What tokens are made from stays with the supervisor, and it hands out tokens for two purposes only,
the SQL Server and blob storage, and for each only if the run's variables ask for it. Each question
carries a socket of its own for the answer, so that any number of processes can ask at the same
time.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from remote_entry.access_token import AccessToken
from remote_entry.errors import IdentityError, SettingsError
from remote_entry.hidden import Hidden

SOCKET_VARIABLE = "REMOTE_ENTRY_TOKENS_FD"
ANSWER_SECONDS = 90.0

# The purposes, as the question names them and as the variable does that asks for tokens.
_SQL = "sql"
_STORAGE = "storage"
_VARIABLES = {_SQL: "SQL_AUTH", _STORAGE: "STORAGE_AUTH"}
_LONGEST_QUESTION = 16


class TokenBroker:
    """Answers questions for a token until the process ends.

    Args:
        sql: Returns a token for the SQL Server; None for none.
        storage: Returns a new token for blob storage; None for none.
    """

    def __init__(
        self, sql: Callable[[], str] | None, storage: Callable[[], AccessToken] | None = None
    ) -> None:
        self._sql = sql
        self._storage = storage
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        threading.Thread(target=self._serve, daemon=True, name="remote-entry-tokens").start()

    @property
    def descriptor(self) -> int:
        """What the command has to inherit."""
        return self._theirs.fileno()

    def _serve(self) -> None:
        """Answer one question after the other."""
        while True:
            question, descriptors, _, _ = socket.recv_fds(self._socket, _LONGEST_QUESTION, maxfds=1)
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as asker:
                    self._answer(question.decode("ascii", "replace"), asker)

    def _answer(self, purpose: str, asker: socket.socket) -> None:
        """Send a token, or why there is none."""
        answer: dict[str, Any]
        try:
            answer = self._fetch(purpose)
        except IdentityError as error:
            answer = {"message": error.message, "kind": error.kind, "hint": error.hint}
        try:
            asker.sendall(json.dumps(answer).encode())
        except OSError:
            return  # whoever asked has gone

    def _fetch(self, purpose: str) -> dict[str, Any]:
        """Return a token for a purpose that the run's variables ask for."""
        if purpose == _SQL and self._sql is not None:
            return {"token": self._sql()}
        if purpose == _STORAGE and self._storage is not None:
            token = self._storage()
            return {"token": token.text.text, "expires_on": token.expires_on}
        raise IdentityError(
            "`remote_entry run` hands out no tokens for this purpose",
            kind="identity.purpose",
            hint="set SQL_AUTH or STORAGE_AUTH in the job file, before `remote_entry run` starts",
        )


def find_token_source(environ: Mapping[str, str]) -> Callable[[], str]:
    """Return what asks the supervisor for a token for the SQL Server.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.

    Raises:
        SettingsError: The supervisor handed no socket over.
    """
    descriptor = _descriptor(environ, _SQL)
    return lambda: str(_ask(descriptor, _SQL)["token"])


def find_storage_token_source(environ: Mapping[str, str]) -> Callable[[], AccessToken]:
    """Return what asks the supervisor for a new token for blob storage; as find_token_source."""
    descriptor = _descriptor(environ, _STORAGE)

    def fetch() -> AccessToken:
        answer = _ask(descriptor, _STORAGE)
        return AccessToken(Hidden(answer["token"]), int(answer["expires_on"]))

    return fetch


def _descriptor(environ: Mapping[str, str], purpose: str) -> int:
    """Return the socket's descriptor."""
    descriptor = environ.get(SOCKET_VARIABLE, "")
    if not descriptor.isdecimal():
        raise _no_socket(purpose)
    return int(descriptor)


def _ask(descriptor: int, purpose: str) -> dict[str, Any]:
    """Ask once."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(ANSWER_SECONDS)
        try:
            with theirs, socket.socket(fileno=os.dup(descriptor)) as broker:
                socket.send_fds(broker, [purpose.encode()], [theirs.fileno()])
        except OSError:
            raise _no_socket(purpose) from None
        try:
            content = b"".join(iter(lambda: ours.recv(65536), b""))
        except TimeoutError:
            content = b""
    answer: dict[str, Any] = json.loads(content or b"{}")
    if "token" in answer:
        return answer
    raise IdentityError(
        answer.get("message", "No access token: `remote_entry run` did not answer"),
        kind=answer.get("kind", "identity.no-answer"),
        hint=answer.get("hint", "check that the command is still a child of `remote_entry run`"),
    )


def _no_socket(purpose: str) -> SettingsError:
    """Return the error for a process that cannot reach the supervisor."""
    return SettingsError(
        f"{_VARIABLES[purpose]} asks for an access token, and the socket of `remote_entry run` is "
        f"not open in this process: looked for descriptor {SOCKET_VARIABLE}",
        kind="settings.descriptor",
        hint="a process started with close_fds=True does not inherit it: pass "
        f"pass_fds=[int(os.environ['{SOCKET_VARIABLE}'])], or connect in the parent",
    )
