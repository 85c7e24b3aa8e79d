"""Secrets from the supervisor to the command, over an inherited descriptor.

Not over the environment: every child inherits it, and ``/proc/<pid>/environ`` keeps it. On Linux
the descriptor is a sealed memory file, which every process that inherits it reads as often as it
likes; elsewhere it is a pipe, which the first process reads once.
"""

import json
import os
import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from remote_entry.errors import SettingsError
from remote_entry.secret import Secret
from remote_entry.settings import SQL_LABELS
from remote_entry.settings.credentials import looks_like_credential
from remote_entry.settings.references import SecretReference, WorkspaceReference

DESCRIPTOR_VARIABLE = "REMOTE_ENTRY_SECRETS_FD"
FORMAT = "remote_entry/1"


@dataclass(frozen=True)
class Bundle:
    """What the supervisor resolved.

    Attributes:
        secrets: The secrets from Key Vault.
        workspace: The variables whose values came from the workspace's own vault.
    """

    secrets: tuple[Secret, ...] = ()
    workspace: tuple[Secret, ...] = ()

    def by_label(self) -> dict[str, Secret]:
        """Return every secret under its label; the workspace's wins over Key Vault's."""
        return {secret.reference.label: secret for secret in (*self.secrets, *self.workspace)}

    def variables(self) -> dict[str, str]:
        """Return what the command's environment may hold: the workspace's, no credentials."""
        return {
            secret.reference.variable: secret.value
            for secret in self.workspace
            if secret.reference.variable not in SQL_LABELS
            and not looks_like_credential(secret.reference.variable)
        }


def write_bundle(bundle: Bundle) -> int:
    """Return a descriptor from which the bundle can be read; the caller passes it on and closes it.

    Args:
        bundle: What to hand over.

    Returns:
        A file descriptor that is not inheritable by itself.
    """
    content = _encode(bundle)
    try:
        return write_memory_file("remote_entry-secrets", content)
    except (AttributeError, ImportError, OSError):  # not Linux, or a sandbox forbids it
        return _write_pipe(content)


def read_bundle(environ: Mapping[str, str]) -> Bundle | None:
    """Return what a supervisor handed over, or None if there is no supervisor.

    Args:
        environ: Variables as the run sees them, such as ``os.environ``.

    Raises:
        SettingsError: The descriptor is named but is not open in this process.
    """
    text = environ.get(DESCRIPTOR_VARIABLE)
    if not text:
        return None
    try:
        descriptor = int(text)
        return _decode(_read_all(descriptor))
    except (OSError, ValueError):
        raise SettingsError(
            f"The secrets that `remote_entry run` handed over are not readable in this process: "
            f"looked for descriptor {DESCRIPTOR_VARIABLE}",
            kind="settings.descriptor",
            hint="a process started with close_fds=True does not inherit it: pass "
            f"pass_fds=[int(os.environ['{DESCRIPTOR_VARIABLE}'])], or read secrets in the parent",
        ) from None


def write_memory_file(name: str, content: bytes) -> int:
    """Return the descriptor of a memory file that nobody can change any more.

    Args:
        name: What ``/proc/<pid>/fd`` shows.
        content: Its bytes.
    """
    import fcntl  # not on Windows, where the laptop's side imports this package too

    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    _write_all(descriptor, content)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _seals())
    return descriptor


def read_memory_file(descriptor: int) -> bytes:
    """Return what `write_memory_file` wrote.

    Raises:
        OSError: The descriptor is not open, or is not a memory file.
        ValueError: The memory file can still be changed: it is somebody else's.
    """
    import fcntl

    if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) != _seals():
        raise ValueError("not a sealed memory file")
    return _read_all(descriptor)


def _seals() -> int:
    """Return what forbids every change, also of the seals."""
    import fcntl

    return fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def _encode(bundle: Bundle) -> bytes:
    """Return the bundle as JSON."""
    return json.dumps(
        {
            "format": FORMAT,
            "secrets": [_encode_secret(secret) for secret in bundle.secrets],
            "workspace": [_encode_variable(secret) for secret in bundle.workspace],
        }
    ).encode()


def _encode_secret(secret: Secret) -> dict[str, Any]:
    """Return one secret of Key Vault as JSON's types."""
    return {
        "reference": asdict(secret.reference),
        "version": secret.version,
        "expires_on": secret.expires_on.isoformat() if secret.expires_on else None,
        "value": secret.value,
    }


def _encode_variable(secret: Secret) -> dict[str, Any]:
    """Return one variable from the workspace as JSON's types."""
    return {"reference": asdict(secret.reference), "value": secret.value}


def _decode(content: bytes) -> Bundle:
    """Return the bundle that JSON describes; ValueError if it describes none."""
    document = json.loads(content)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("not a bundle of secrets")
    secrets = tuple(_decode_secret(entry) for entry in document["secrets"])
    workspace = tuple(_decode_variable(entry) for entry in document["workspace"])
    return Bundle(secrets, workspace)


def _decode_secret(entry: Mapping[str, Any]) -> Secret:
    """Return one secret of Key Vault."""
    expires_on = entry["expires_on"]
    return Secret(
        SecretReference(**entry["reference"]),
        entry["value"],
        version=entry["version"],
        expires_on=datetime.fromisoformat(expires_on) if expires_on else None,
    )


def _decode_variable(entry: Mapping[str, Any]) -> Secret:
    """Return one variable from the workspace."""
    return Secret(WorkspaceReference(**entry["reference"]), entry["value"])


def _write_pipe(content: bytes) -> int:
    """Return a pipe's reading end; a thread feeds it, because a pipe holds little."""
    reading_end, writing_end = os.pipe()

    def feed() -> None:
        try:
            _write_all(writing_end, content)
        except BrokenPipeError:
            return  # the command never asked for its secrets
        finally:
            os.close(writing_end)

    threading.Thread(target=feed, daemon=True, name="remote-entry-handover").start()
    return reading_end


def _write_all(descriptor: int, content: bytes) -> None:
    """Write everything, however many calls it takes."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _read_all(descriptor: int) -> bytes:
    """Read a memory file from its start, leaving its position alone, or a pipe to its end."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    chunks: Sequence[bytes] = list(iter(lambda: os.read(descriptor, 65536), b""))
    return b"".join(chunks)
