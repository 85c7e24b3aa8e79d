"""References → secrets: one client, one deadline, bounded retries, all failures at once."""

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.keyvault.secrets import KeyVaultSecret, SecretClient

from remote_entry.azure.errors import explain_identity, explain_secret, raise_if_whole_vault
from remote_entry.azure.retry import client_options
from remote_entry.deadline import Deadline, start_in_background
from remote_entry.errors import IdentityError, SecretFailure, VaultError
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference

PARALLEL_READS = 10  # as many connections as the SDK's transport pools

SecretKey = tuple[str, str, str | None]
"""Vault address, secret name and version (None for the latest)."""

SecretCache = dict[SecretKey, Secret]
"""What a process read already: asked again, it does not ask the vault again, which counts requests
and throttles."""


class SecretReader(Protocol):
    """The one call that is needed of azure-keyvault-secrets' client."""

    def get_secret(self, name: str, version: str | None = None) -> KeyVaultSecret:
        """Return a secret with its value."""


def open_vault(vault_url: str, credential: TokenCredential, deadline: Deadline) -> SecretClient:
    """Return a client whose every request is bounded; no request is made yet."""
    return SecretClient(vault_url, credential, **client_options(deadline))


def read_secrets(
    references: Sequence[SecretReference],
    reader: SecretReader,
    *,
    vault_url: str,
    deadline: Deadline,
    cache: SecretCache | None = None,
) -> tuple[Secret, ...]:
    """Read every secret, or say of every one that failed why it did.

    Args:
        references: What to read; the same name and version is read once.
        reader: A Key Vault client.
        vault_url: The vault's address, for messages and for the cache.
        deadline: When to stop waiting.
        cache: What this process read before; receives what is read now.

    Returns:
        One secret for each reference, in order.

    Raises:
        IdentityError: There is no token.
        VaultError: The vault is out of reach, or at least one secret failed.
    """
    outcomes = try_secrets(references, reader, vault_url=vault_url, deadline=deadline, cache=cache)
    failures = tuple(outcome for outcome in outcomes if isinstance(outcome, SecretFailure))
    if failures:
        raise _failed(failures, len(outcomes), vault_url)
    return tuple(outcome for outcome in outcomes if isinstance(outcome, Secret))


def try_secrets(
    references: Sequence[SecretReference],
    reader: SecretReader,
    *,
    vault_url: str,
    deadline: Deadline,
    cache: SecretCache | None = None,
) -> list[Secret | SecretFailure]:
    """Read every secret; one that fails does not keep the others.

    The first read runs alone: it meets the vault's challenge and fetches the token, which the
    parallel reads then share. Without it eight threads fetch eight tokens.

    The arguments are those of ``read_secrets``.

    Returns:
        One outcome for each reference, in order.

    Raises:
        IdentityError: There is no token.
        VaultError: The vault is out of reach as a whole.
    """
    known: SecretCache = {} if cache is None else cache
    wanted = {_key(vault_url, item): item for item in references}
    missing = {key: item for key, item in wanted.items() if key not in known}
    outcomes = _read_in_turn(list(missing.values()), reader, vault_url, deadline)
    failed: dict[SecretKey, SecretFailure] = {}
    for key, outcome in zip(missing, outcomes, strict=True):
        if isinstance(outcome, Secret):
            known[key] = outcome
        else:
            failed[key] = outcome
    return [
        known[key].with_reference(item)
        if (key := _key(vault_url, item)) in known
        else replace(failed[key], secret=str(item))
        for item in references
    ]


def _key(vault_url: str, reference: SecretReference) -> SecretKey:
    """Return what a secret is known by."""
    return (vault_url, reference.name, reference.version)


def _read_in_turn(
    references: Sequence[SecretReference], reader: SecretReader, vault_url: str, deadline: Deadline
) -> list[Secret | SecretFailure]:
    """Read the first secret, then the others; raise what every one of them would meet."""
    outcomes = _read_all(references[:1], reader, deadline)
    for outcome in outcomes:
        if isinstance(outcome, SecretFailure):
            raise_if_whole_vault(outcome, vault_url)
    return outcomes + _read_all(references[1:], reader, deadline)


def _read_all(
    references: Sequence[SecretReference], reader: SecretReader, deadline: Deadline
) -> list[Secret | SecretFailure]:
    """Read in parallel and wait for every outcome, no longer than the deadline."""
    futures = start_in_background(
        [partial(_read, reader, reference) for reference in references],
        threads=PARALLEL_READS,
        deadline=deadline,
    )
    return [
        _wait(future, reference, deadline)
        for future, reference in zip(futures, references, strict=True)
    ]


def _read(reader: SecretReader, reference: SecretReference) -> Secret | SecretFailure:
    """Read one secret; a failure that concerns the token raises, any other is returned."""
    try:
        answer = reader.get_secret(reference.name, reference.version)
    except Exception as error:  # noqa: BLE001 (the SDK's ValueErrors and OSErrors are explained too)
        failure = explain_identity(error) or explain_secret(error, reference)
    else:
        return Secret(
            reference,
            answer.value or "",
            version=answer.properties.version,
            expires_on=answer.properties.expires_on,
        )
    if isinstance(failure, IdentityError):
        # Not inside the handler: the SDK's error, whose frames hold tokens, would come along.
        raise failure
    return failure


def _wait(
    future: "Future[Secret | SecretFailure]", reference: SecretReference, deadline: Deadline
) -> Secret | SecretFailure:
    """Return a read's outcome, or a failure if there is none in time."""
    try:
        return future.result(timeout=deadline.remaining())
    except FutureTimeoutError:
        return SecretFailure(
            str(reference),
            "vault.deadline",
            f"the vault had not answered within {deadline.seconds:g} s",
            "check the compute's way to the vault, or raise REMOTE_ENTRY_DEADLINE",
        )


def _failed(failures: tuple[SecretFailure, ...], asked: int, vault_url: str) -> VaultError:
    """Return one error for all secrets that failed."""
    lines = "".join(
        f"\n  - {failure.secret}: {failure.message} [{failure.kind}]\n    Next: {failure.hint}"
        for failure in failures
    )
    return VaultError(
        f"{len(failures)} of {asked} secrets could not be read from Key Vault "
        f"{urlsplit(vault_url).netloc} (KEY_VAULT_URL):{lines}",
        kind=failures[0].kind,
        failures=failures,
    )
