"""The key by which the ranks of one job know each other, without a key being sent to anybody.

Whoever reaches a Dask scheduler can run code on its workers, so its connections are TLS with a
certificate on both sides. All ranks read the same secrets and know the job's name, and derive from
them, each by itself:

    secrets, job ── scrypt ──► Ed25519 key ──► self-signed certificate: authority, server, client

An Ed25519 signature has no chance in it, so every rank makes the same certificate, byte for byte.
Its public key tells an attacker on the network whether a guess of *all* secrets is right; scrypt
makes a guess cost about 0.1 s and 32 MB, and one random secret among them makes guessing hopeless.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone

from remote_entry.errors import SettingsError
from remote_entry.supervision.handover import Bundle, write_memory_file

# What scrypt's author names for a login that somebody waits for (2**15, 8, 1).
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_SCRYPT_MEMORY = 64 << 20
_KEY_BYTES = 32
# No clock counts: the certificate is worth what its key is, and that dies with the job.
_VALID_FROM = datetime(2020, 1, 1, tzinfo=timezone.utc)
_VALID_TO = datetime(2120, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class ClusterKey:
    """What a rank shows, and by what it knows the others.

    Attributes:
        certificate: In PEM.
        descriptor: Of the sealed memory file that holds the private key and the certificate.
    """

    certificate: str
    descriptor: int

    @property
    def path(self) -> str:
        """The memory file's name, in this process alone: the key is on no disk."""
        return f"/proc/self/fd/{self.descriptor}"


def derive_key(bundle: Bundle, job: str) -> ClusterKey:
    """Return the key of a job's ranks.

    Args:
        bundle: The secrets that all of them have.
        job: The job's name.

    Raises:
        SettingsError: There are no secrets to derive it from.
    """
    values = sorted((label, secret.value) for label, secret in bundle.by_label().items())
    if not values:
        raise SettingsError(
            "The processes of this job share no secret by which they could know each other",
            kind="settings.no-shared-secret",
            hint="put a long random secret into the vault, and name it in the job file: "
            "AZURE_SECRET_CLUSTER: <the secret's name>",
        )
    seed = hashlib.scrypt(
        json.dumps(values).encode(),
        salt=f"remote_entry cluster {job}".encode(),
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        maxmem=_SCRYPT_MEMORY,
        dklen=_KEY_BYTES,
    )
    private, certificate = _certify(seed)
    content = private + certificate
    return ClusterKey(certificate.decode(), write_memory_file("remote_entry-cluster", content))


def _certify(seed: bytes) -> tuple[bytes, bytes]:
    """Return the private key and its certificate, both in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "remote_entry cluster")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_TO)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, algorithm=None)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)
