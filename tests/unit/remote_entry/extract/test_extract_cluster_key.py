"""The ranks of a job derive one key, and nobody else does."""

import os
import ssl

import pytest
from cryptography import x509

from remote_entry.errors import SettingsError
from remote_entry.extract.workers.cluster_key import ClusterKey, derive_key
from remote_entry.secret import Secret
from remote_entry.settings.references import SecretReference, WorkspaceReference
from remote_entry.supervision.handover import Bundle

SECRETS = (
    Secret(SecretReference("1", "sql-username"), "reader"),
    Secret(SecretReference("2", "sql-password"), "canary pässword 漢"),
)
VARIABLE = Secret(WorkspaceReference("API_KEY", "api-key"), "canary key")


def derive(bundle: Bundle, job: str = "run-1") -> tuple[str, bytes]:
    """Derive a key; return the certificate and the memory file's bytes."""
    key = derive_key(bundle, job)
    try:
        return key.certificate, os.pread(key.descriptor, 10_000, 0)
    finally:
        os.close(key.descriptor)


def test_every_rank_makes_the_same() -> None:
    """In whatever order its secrets came."""
    known = derive(Bundle(SECRETS, (VARIABLE,)))
    assert derive(Bundle(SECRETS[::-1], (VARIABLE,))) == known
    assert known[0].encode() in known[1]


def test_another_secret_or_another_job_makes_another() -> None:
    """So does a secret that is missing, or stands under another label."""
    swapped = Secret(SecretReference("1", "b"), "x"), Secret(SecretReference("2", "a"), "reader")
    bundles = [
        Bundle(SECRETS),
        Bundle(SECRETS, (VARIABLE,)),
        Bundle(SECRETS[:1]),
        Bundle(swapped),
    ]
    certificates = {derive(bundle)[0] for bundle in bundles} | {derive(bundles[0], "run-2")[0]}
    assert len(certificates) == 5


def test_without_a_secret_there_is_no_key() -> None:
    """The error says what to add."""
    with pytest.raises(SettingsError, match="AZURE_SECRET_CLUSTER"):
        derive_key(Bundle(), "run-1")


def test_the_certificate_is_authority_server_and_client() -> None:
    """OpenSSL takes it for each, from the memory file, and strictly."""
    key = derive_key(Bundle(SECRETS), "run-1")
    client, server = (ssl.SSLContext(protocol) for protocol in _PROTOCOLS)
    for context in (client, server):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=key.certificate)
        context.load_cert_chain(key.path, key.path)
    assert _shake_hands(client, server)
    os.close(key.descriptor)


def test_no_secret_shows() -> None:
    """In what the key says of itself, or in the certificate, which every caller is shown."""
    key = derive_key(Bundle(SECRETS), "run-1")
    private = os.pread(key.descriptor, 10_000, 0).decode().split("-----")[2].strip()
    os.close(key.descriptor)
    text = x509.load_pem_x509_certificate(key.certificate.encode()).subject.rfc4514_string()
    for shown in (repr(key), str(key), text, key.certificate, key.path):
        assert not any(value in shown for value in ("canary", "reader", private))
    assert isinstance(key, ClusterKey)


_PROTOCOLS = (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Let two contexts meet in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    return not ends
