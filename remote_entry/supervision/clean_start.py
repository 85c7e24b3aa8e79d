"""A supervisor whose own environment shows no credential.

``/proc/<pid>/environ`` keeps what a process was started with, whatever the process does to its
variables later; only ``exec`` with other variables replaces it. So a supervisor that finds a
credential among its variables starts itself once more without it, in the same process, and takes
the value over a sealed memory file that nobody else inherits. What started the supervisor, such as
Azure ML's own launcher, is out of its reach and keeps the variable.
"""

import json
import os
import sys
from collections.abc import Mapping

from remote_entry.errors import SettingsError
from remote_entry.settings.credentials import CREDENTIAL_VARIABLES
from remote_entry.supervision.handover import read_memory_file, write_memory_file

CREDENTIALS_DESCRIPTOR_VARIABLE = "REMOTE_ENTRY_CREDENTIALS_FD"


def start_without_credentials() -> dict[str, str]:
    """Return this process's variables, credentials included, which its environment lacks then.

    Replaces the process by itself if there is a credential in its environment. Where memory files
    do not exist (outside of Linux), or the system forbids it, the environment stays as it is.

    Raises:
        SettingsError: The memory file of the first start is named but is not there.
    """
    environ = dict(os.environ)
    if CREDENTIALS_DESCRIPTOR_VARIABLE in environ:
        descriptor = environ.pop(CREDENTIALS_DESCRIPTOR_VARIABLE)
        del os.environ[CREDENTIALS_DESCRIPTOR_VARIABLE]
        return environ | _take_over(descriptor)
    credentials = {name: environ[name] for name in CREDENTIAL_VARIABLES if environ.get(name)}
    if credentials and sys.executable:
        _start_again(environ, credentials)
    return environ


def _start_again(environ: Mapping[str, str], credentials: Mapping[str, str]) -> None:
    """Become the same program without the credentials; return only if that is not possible."""
    try:
        descriptor = write_memory_file("remote_entry-credentials", json.dumps(credentials).encode())
    except (AttributeError, ImportError, OSError):  # not Linux, or a sandbox forbids it
        return
    cleaned = {name: value for name, value in environ.items() if name not in credentials}
    cleaned[CREDENTIALS_DESCRIPTOR_VARIABLE] = str(descriptor)
    os.set_inheritable(descriptor, True)  # noqa: FBT003 (its only parameter)
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], cleaned)  # noqa: S606
    except OSError:
        os.close(descriptor)


def _take_over(text: str) -> dict[str, str]:
    """Return the credentials, and close the memory file: the command must not inherit it."""
    try:
        descriptor = int(text)
        credentials: dict[str, str] = json.loads(read_memory_file(descriptor))
        os.close(descriptor)
    except (OSError, ValueError):
        raise SettingsError(
            "The credentials that `remote_entry run` handed to itself are not readable: looked for "
            f"descriptor {CREDENTIALS_DESCRIPTOR_VARIABLE}",
            kind="settings.descriptor",
            hint=f"remove {CREDENTIALS_DESCRIPTOR_VARIABLE}, which is never set by hand",
        ) from None
    return credentials
