"""A vault's secrets: versions, deletion, and what stays out of sight."""

import pytest

from submitter.emulator.vault import (
    HOSTILE_PUNCTUATION,
    SecretIsDeleted,
    SecretNotFound,
    Vault,
    generate_secret,
)


@pytest.fixture
def vault() -> Vault:
    """Make a vault with one secret of two versions."""
    made = Vault("kv")
    made.set("Name", "1", version="a" * 32)
    made.set("name", "2", version="b" * 32)
    return made


def test_names_are_one_whatever_their_case(vault: Vault) -> None:
    """Azure compares names of secrets without regard to case."""
    assert vault.secret("NAME").value == "2"
    assert vault.secret("name", "a" * 32).value == "1"
    assert len(vault.current()) == 1


def test_a_deleted_name_is_taken_until_purged(vault: Vault) -> None:
    """Soft delete, as every vault has it now."""
    vault.delete("name")
    with pytest.raises(SecretNotFound):
        vault.secret("name")
    with pytest.raises(SecretIsDeleted):
        vault.set("NAME", "3")
    assert vault.recover("name").value == "2"
    assert len(vault.versions("name")) == 2
    vault.delete("name")
    vault.purge("name")
    vault.set("name", "4")
    assert [version.value for version in vault.versions("name")] == ["4"]


def test_what_is_not_there_is_not_found(vault: Vault) -> None:
    """Every way to name a missing secret."""
    for ask in (vault.secret, vault.versions, vault.delete, vault.recover, vault.purge):
        with pytest.raises(SecretNotFound):
            ask("absent")
    with pytest.raises(SecretNotFound):
        vault.secret("name", "c" * 32)


def test_values_stay_out_of_every_repr(vault: Vault) -> None:
    """Versions and deleted secrets may be logged."""
    vault.set("canary", "canary-value")
    shown = repr(vault.current()) + repr(vault.delete("canary")) + repr(vault)
    assert "canary-value" not in shown


def test_a_generated_secret_breaks_naive_quoting() -> None:
    """It holds every character that people forget, and is another one each time."""
    first, second = generate_secret(), generate_secret()
    assert set(HOSTILE_PUNCTUATION) <= set(first)
    assert first != second
