"""References become secrets, or one error that explains every secret that failed."""

import copy
import pickle
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)

from remote_entry.azure.vault import SecretCache, read_secrets
from remote_entry.deadline import Deadline
from remote_entry.errors import IdentityError, VaultError
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference

VAULT_URL = "https://flights.vault.azure.net"
EXPIRY = datetime(2027, 1, 1, tzinfo=timezone.utc)
LATEST = "aaaaaaaabbbbbbbbccccccccdddddddd"

USER = SecretReference("1", "sql-user")
PASSWORD = SecretReference("2", "sql-password", "0123456789abcdef0123456789abcdef")


class FakeVault:
    """Answers with values or raises exceptions, by name, and remembers who asked for what."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []
        self.threads: list[threading.Thread] = []

    def get_secret(self, name: str, version: str | None = None) -> Any:
        """Play azure-keyvault-secrets' call."""
        self.asked.append((name, version))
        self.threads.append(threading.current_thread())
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        properties = SimpleNamespace(version=version or LATEST, expires_on=EXPIRY)
        return SimpleNamespace(value=answer, properties=properties)


def read(vault: FakeVault, *references: SecretReference, seconds: float = 10) -> tuple[Secret, ...]:
    """Read references from a fake vault."""
    return read_secrets(references, vault, vault_url=VAULT_URL, deadline=Deadline(seconds))


def refused(status: int, inner_code: str = "") -> HttpResponseError:
    """Return what azure-core raises for a status."""
    error = HttpResponseError("the vault said no")
    error.status_code = status
    error.error = SimpleNamespace(code="Forbidden", innererror={"code": inner_code})
    return error


def test_secrets_come_in_the_order_of_the_references() -> None:
    """Each secret carries what was asked for, which version it is and when it expires."""
    vault = FakeVault({"sql-user": "trainer", "sql-password": "canary"})
    user, password = read(vault, USER, PASSWORD)
    assert (user.value, user.version, user.reference) == ("trainer", LATEST, USER)
    assert (password.value, password.version) == ("canary", PASSWORD.version)
    assert password.expires_on == EXPIRY


def test_same_secret_under_two_labels_is_read_once() -> None:
    """Requests are counted, and throttled, by the vault."""
    twin = SecretReference("USER", "sql-user")
    vault = FakeVault({"sql-user": "trainer"})
    first, second = read(vault, USER, twin)
    assert vault.asked == [("sql-user", None)]
    assert (first.reference, second.reference) == (USER, twin)
    assert second.value == "trainer"


def test_nothing_to_read_asks_nobody() -> None:
    """No reference, no request."""
    vault = FakeVault({})
    assert read(vault) == ()
    assert vault.asked == []


def test_every_failing_secret_is_reported() -> None:
    """One run tells everything that has to be corrected in the vault."""
    gone = SecretReference("3", "gone")
    vault = FakeVault(
        {
            "sql-user": ResourceNotFoundError("no"),
            "sql-password": refused(403, "SecretDisabled"),
            "gone": "fine",
        }
    )
    vault.answers["sql-user"].status_code = 404
    with pytest.raises(VaultError) as caught:
        read(vault, USER, PASSWORD, gone)
    assert [failure.kind for failure in caught.value.failures] == [
        "vault.missing",
        "vault.disabled",
    ]
    message = str(caught.value)
    assert "2 of 3 secrets" in message
    assert "AZURE_SECRET_1 → sql-user (latest version)" in message
    assert "AZURE_SECRET_2 → sql-password (version 01234567…)" in message
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused(403, "ForbiddenByRbac"), "vault.rbac"),
        (refused(403, "AccessDenied"), "vault.access-policy"),
        (refused(403, "ForbiddenByFirewall"), "vault.firewall"),
        (refused(403, "SecretDisabled"), "vault.disabled"),
        (refused(403, "SomethingNew"), "vault.forbidden"),
        (refused(400), "vault.rejected"),
        (refused(404), "vault.missing"),
        (refused(429), "vault.throttled"),
        (refused(500), "vault.unavailable"),
        (refused(503), "vault.unavailable"),
        (ServiceRequestError("Failed to resolve 'flights.vault.azure.net'"), "vault.dns"),
        (ServiceRequestError("[Errno 111] Connection refused"), "vault.refused"),
        (ServiceRequestError("Connect timeout=5"), "vault.timeout"),
        (ServiceRequestError("SSLError CERTIFICATE_VERIFY_FAILED"), "vault.tls"),
        (ServiceRequestError("Tunnel connection failed: 403 Forbidden"), "vault.proxy"),
        (ServiceRequestError("Connection aborted. RemoteDisconnected"), "vault.reset"),
        (OSError("Could not find a suitable TLS CA certificate bundle"), "vault.tls"),
        (ValueError("The challenge resource 'x' does not match"), "vault.wrong-host"),
        (RuntimeError("no idea"), "vault.unexpected"),
    ],
)
def test_pain_13_causes_are_told_apart(error: Exception, kind: str) -> None:
    """Each kind has its own next step."""
    with pytest.raises(VaultError) as caught:
        read(FakeVault({"sql-user": error}), USER)
    assert caught.value.kind == kind
    assert "Next: " in str(caught.value)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("AADSTS7000215: Invalid client secret provided.", "identity.wrong-secret"),
        ("AADSTS7000222: The provided client secret keys are expired.", "identity.expired-secret"),
        ("AADSTS700016: Application not found.", "identity.unknown-client"),
        ("AADSTS90002: Tenant not found.", "identity.wrong-tenant"),
        ("AADSTS50011: Something else.", "identity.rejected"),
        ("Unable to get authority configuration for https://…", "identity.wrong-tenant"),
        ("add it to additionally_allowed_tenants", "identity.wrong-tenant"),
        ("Failed to resolve 'login.microsoftonline.com'", "identity.dns"),
        ("Connection refused", "identity.refused"),
        ("Read timed out.", "identity.timeout"),
        ("HTTP Error: 503", "identity.unavailable"),
        ("who knows", "identity.unexpected"),
    ],
)
def test_failures_of_the_token_are_identity_errors(message: str, kind: str) -> None:
    """azure-identity puts network failures and refusals into one class without a status."""
    vault = FakeVault({"sql-user": ClientAuthenticationError(message), "sql-password": "x"})
    with pytest.raises(IdentityError) as caught:
        read(vault, USER, PASSWORD)
    assert caught.value.kind == kind
    assert caught.value.exit_code == 4
    assert len(vault.asked) == 1


def test_refused_token_is_the_vaults_failure() -> None:
    """A 401 of the vault means that there was a token, and that it was not good enough."""
    error = ClientAuthenticationError("unauthorized")
    error.status_code = 401
    with pytest.raises(VaultError) as caught:
        read(FakeVault({"sql-user": error}), USER)
    assert caught.value.kind == "vault.token-rejected"


def test_unreachable_vault_is_asked_once() -> None:
    """If nobody is there, fifty parallel attempts would say the same fifty times."""
    vault = FakeVault({"sql-user": ServiceRequestError("Connection refused"), "sql-password": "x"})
    with pytest.raises(VaultError) as caught:
        read(vault, USER, PASSWORD)
    assert vault.asked == [("sql-user", None)]
    assert caught.value.failures == ()
    assert "flights.vault.azure.net" in str(caught.value)


def test_silent_vault_ends_with_the_deadline() -> None:
    """A call that never returns does not keep the run."""
    release = threading.Event()

    class SilentVault(FakeVault):
        def get_secret(self, name: str, version: str | None = None) -> Any:
            release.wait(30)
            return super().get_secret(name, version)

    with pytest.raises(VaultError) as caught:
        read(SilentVault({"sql-user": "x"}), USER, PASSWORD, seconds=0.05)
    release.set()
    assert caught.value.kind == "vault.deadline"


def test_first_read_finishes_before_the_others_start() -> None:
    """One challenge and one token are shared, in place of one for each thread."""
    order: list[str] = []

    class OrderedVault(FakeVault):
        def get_secret(self, name: str, version: str | None = None) -> Any:
            order.append(f"start {name}")
            answer = super().get_secret(name, version)
            order.append(f"end {name}")
            return answer

    others = [SecretReference(str(number), f"secret-{number}") for number in range(2, 9)]
    values = {"sql-user": "x"} | {reference.name: "x" for reference in others}
    read(OrderedVault(values), USER, *others)
    assert order[:2] == ["start sql-user", "end sql-user"]


def test_errors_carry_no_frames_of_the_sdk() -> None:
    """The SDK's frames hold tokens: neither cause nor context is kept."""
    vault = FakeVault({"sql-user": ClientAuthenticationError("AADSTS7000215: no")})
    with pytest.raises(IdentityError) as caught:
        read(vault, USER)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_secret_shows_its_reference_only() -> None:
    """Neither print, nor format, nor repr inside a container gives the value away."""
    secret = Secret(PASSWORD, "canary", version=PASSWORD.version, expires_on=EXPIRY)
    for text in (repr(secret), str(secret), f"{secret}", repr([secret])):
        assert "canary" not in text
        assert "AZURE_SECRET_2 → sql-password (version 01234567…, expires 2027-01-01)" in text


def test_secret_is_neither_pickled_nor_copied_by_its_attributes() -> None:
    """A pickle is a file, and vars() ends in tracebacks."""
    secret = Secret(USER, "canary")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(secret)
    assert not hasattr(secret, "__dict__")


def test_secret_that_was_read_is_not_asked_for_again() -> None:
    """A second try asks for what failed alone: the vault counts requests, and throttles."""
    vault = FakeVault({"sql-user": "trainer", "sql-password": refused(503)})
    cache: SecretCache = {}
    references = (USER, PASSWORD)
    options: dict[str, Any] = {"vault_url": VAULT_URL, "deadline": Deadline(10), "cache": cache}
    with pytest.raises(VaultError):
        read_secrets(references, vault, **options)
    vault.answers["sql-password"] = "canary"
    user, password = read_secrets(references, vault, **options)
    assert (user.value, password.value) == ("trainer", "canary")
    assert vault.asked == [
        ("sql-user", None),
        ("sql-password", PASSWORD.version),
        ("sql-password", PASSWORD.version),
    ]
    other_vault = FakeVault({"sql-user": "other", "sql-password": "other"})
    options["vault_url"] = "https://other.vault.azure.net"
    assert read_secrets(references, other_vault, **options)[0].value == "other"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (15, None),
        (13, "expires in 13 days (2026-12-14): rotate it in the vault"),
        (-1, "has expired (2026-11-30): rotate it in the vault"),
    ],
)
def test_pain_18_expiry_is_said_two_weeks_before(days: int, said: str | None) -> None:
    """The vault hands out an expired secret all the same."""
    now = datetime(2026, 12, 1, tzinfo=timezone.utc)
    secret = Secret(USER, "canary", expires_on=now + timedelta(days=days))
    warning = secret.expiry_warning(now)
    assert warning == (said and f"AZURE_SECRET_1 → sql-user (latest version) {said}")
