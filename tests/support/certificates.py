"""Certificates that applications sign in with, made for a test."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


def self_signed(key: rsa.RSAPrivateKey, begins: int, ends: int) -> bytes:
    """Make a certificate that is valid from one day to another, counted from today."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "submitter")])
    moment = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(moment + dt.timedelta(days=begins))
    builder = builder.not_valid_after(moment + dt.timedelta(days=ends))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private(key: rsa.RSAPrivateKey, password: str | None = None) -> bytes:
    """Write a private key, encrypted if there is a password."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
