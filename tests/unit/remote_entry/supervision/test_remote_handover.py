"""Secrets pass from the supervisor to the command, and to whoever inherits the descriptor."""

import os
from datetime import datetime, timezone

import pytest

from remote_entry.errors import SettingsError
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference, WorkspaceReference
from remote_entry.supervision.handover import DESCRIPTOR_VARIABLE, Bundle, read_bundle, write_bundle

BUNDLE = Bundle(
    secrets=(
        Secret(
            SecretReference("2", "sql-password", "0123456789abcdef0123456789abcdef"),
            "canär\ny",
            version="0123456789abcdef0123456789abcdef",
            expires_on=datetime(2027, 1, 1, tzinfo=timezone.utc),
        ),
        Secret(SecretReference("API", "api-key"), "x" * 200_000),
    ),
    workspace=(
        Secret(WorkspaceReference("API_KEY", "api-key"), "from-workspace-1"),
        Secret(WorkspaceReference("MODE", "mode"), "from-workspace-2"),
        Secret(WorkspaceReference("SQL_USERNAME", "user"), "from-workspace-3"),
        Secret(WorkspaceReference("SQL_PASSWORD", "password"), "from-workspace-4"),
    ),
)


def contents(bundle: Bundle | None) -> object:
    """Return everything that a bundle holds, comparable."""
    assert bundle is not None
    secrets = [
        (secret.reference, secret.value, secret.version, secret.expires_on)
        for secret in (*bundle.secrets, *bundle.workspace)
    ]
    return secrets, bundle.variables()


def test_only_what_is_no_credential_may_stand_in_the_environment() -> None:
    """A database's login and a key pass over the descriptor alone."""
    assert BUNDLE.variables() == {"MODE": "from-workspace-2"}


def test_workspaces_secret_wins_over_key_vaults() -> None:
    """As it does over a value in clear."""
    vaults = Secret(SecretReference("SQL_PASSWORD", "other"), "from-key-vault")
    known = Bundle((vaults,), BUNDLE.workspace).by_label()
    assert known["SQL_PASSWORD"].value == "from-workspace-4"


def test_bundle_can_be_read_again_and_again() -> None:
    """Every process that inherits the memory file reads all of it."""
    descriptor = write_bundle(BUNDLE)
    try:
        environ = {DESCRIPTOR_VARIABLE: str(descriptor)}
        assert contents(read_bundle(environ)) == contents(BUNDLE)
        assert contents(read_bundle(environ)) == contents(BUNDLE)
    finally:
        os.close(descriptor)


def test_bundle_cannot_be_changed() -> None:
    """Nobody who inherits the descriptor can hand false secrets to the others."""
    descriptor = write_bundle(BUNDLE)
    try:
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("forbidden", [False, True])
def test_pipe_carries_more_than_a_pipe_holds(
    monkeypatch: pytest.MonkeyPatch, *, forbidden: bool
) -> None:
    """Where there are no memory files a thread feeds a pipe, which is read once."""
    if forbidden:
        monkeypatch.setattr(os, "memfd_create", refuse)
    else:
        monkeypatch.delattr(os, "memfd_create")
    descriptor = write_bundle(BUNDLE)
    try:
        assert contents(read_bundle({DESCRIPTOR_VARIABLE: str(descriptor)})) == contents(BUNDLE)
    finally:
        os.close(descriptor)


def refuse(*_: object) -> int:
    """Answer as a sandbox does."""
    raise PermissionError


def test_without_a_supervisor_there_is_no_bundle() -> None:
    """The library then reads the vault itself."""
    assert read_bundle({}) is None


@pytest.mark.parametrize("text", ["987654", "no number"])
def test_descriptor_that_was_not_inherited_is_explained(text: str) -> None:
    """A worker started with close_fds learns what to pass on."""
    with pytest.raises(SettingsError, match="pass_fds"):
        read_bundle({DESCRIPTOR_VARIABLE: text})


def test_descriptor_that_is_something_else_is_explained(tmp_path: object) -> None:
    """The number may belong to any file by now."""
    with open(f"{tmp_path}/file", "w+b") as file:  # noqa: PTH123 (its descriptor is needed)
        file.write(b'{"format": "other"}')
        file.flush()
        with pytest.raises(SettingsError, match="pass_fds"):
            read_bundle({DESCRIPTOR_VARIABLE: str(file.fileno())})


def test_repr_of_a_bundle_shows_no_value() -> None:
    """A bundle in a traceback with locals gives nothing away."""
    assert "canär" not in repr(BUNDLE)
    assert "from-workspace" not in repr(BUNDLE)
