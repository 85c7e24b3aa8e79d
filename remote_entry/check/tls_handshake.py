"""The TLS handshake of a SQL Server, without a login: whose certificate it shows, if it is trusted.

The driver says of a handshake that fails little more than that it did. TDS 7 carries the handshake
inside its own packets, after both sides have agreed to encrypt: MS-TDS 2.2.6.5 (PRELOGIN), 3.2.5.1.
"""

import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any

from remote_entry.errors import SqlError
from remote_entry.sql.reachability import open_port

_PRELOGIN = 0x12
_HEADER = struct.Struct(">BBHHBB")  # type, status, length, session, packet number, window
_END_OF_MESSAGE = 0x01
_ENCRYPTION = 1
_NOT_SUPPORTED = b"\x02"

# Version 0 and "encryption on", each announced as (option, offset, length): MS-TDS 2.2.6.5.
_HELLO = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF) + bytes(6) + b"\x01"


@dataclass(frozen=True)
class Certificate:
    """What a server showed.

    Attributes:
        protocol: The TLS version that was agreed on.
        subject: The certificate's common name.
        issuer: Who signed it.
        expires: When it expires, as the certificate writes it.
    """

    protocol: str
    subject: str
    issuer: str
    expires: str

    def __str__(self) -> str:
        return (
            f"{self.protocol}, certificate of {self.subject} by {self.issuer} until {self.expires}"
        )


def shake_hands(host: str, port: int | None) -> Certificate:
    """Go through the handshake and hang up.

    The certificate is checked against the same authorities as the driver does: the system's, or
    those in the file that SSL_CERT_FILE names.

    Args:
        host: A host name, which the certificate has to be for.
        port: TCP port; 1433 if None.

    Raises:
        SqlError: The server is out of reach, speaks no TDS, or its certificate is not trusted.
    """
    with open_port(host, port) as connection:
        try:
            return _shake_hands(connection, host)
        except ssl.SSLCertVerificationError as error:
            raise _not_trusted(host, error.verify_message) from None
        except ssl.SSLError as error:
            raise _failed(host, error.reason or "the handshake failed") from None
        except TimeoutError:
            raise _failed(host, "the server said nothing", "timeout") from None
        except (OSError, struct.error):
            raise _failed(host, "the server hung up", "reset") from None


def _shake_hands(connection: socket.socket, host: str) -> Certificate:
    """Pass the engine's bytes to and fro."""
    _send(connection, _HELLO)
    if not _offers_encryption(_receive(connection)):
        raise _failed(host, "the server cannot encrypt")
    context = ssl.create_default_context()
    # Inside TDS 7 the driver does not offer TLS 1.3 either; TDS 8 would come without PRELOGIN.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            engine.do_handshake()
        except ssl.SSLWantReadError:
            if outgoing.pending:
                _send(connection, outgoing.read())
            incoming.write(_receive(connection))
        else:
            return _describe(engine.getpeercert() or {}, engine.version() or "TLS")


def _offers_encryption(answer: bytes) -> bool:
    """Read the server's PRELOGIN message: options of (number, offset, length), then 0xFF."""
    options = answer.partition(b"\xff")[0]
    for option, offset, length in struct.iter_unpack(">BHH", options):
        if option == _ENCRYPTION:
            return answer[offset : offset + length] != _NOT_SUPPORTED
    return False


def _send(connection: socket.socket, payload: bytes) -> None:
    """Send one packet."""
    length = _HEADER.size + len(payload)
    header = _HEADER.pack(_PRELOGIN, _END_OF_MESSAGE, length, 0, 0, 0)
    connection.sendall(header + payload)


def _receive(connection: socket.socket) -> bytes:
    """Return the payload of one packet."""
    _, _, length, *_ = _HEADER.unpack(_exactly(connection, _HEADER.size))
    return _exactly(connection, length - _HEADER.size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    content = b""
    while len(content) < size:
        piece = connection.recv(size - len(content))
        if not piece:
            raise ConnectionResetError
        content += piece
    return content


def _describe(certificate: Any, protocol: str) -> Certificate:
    """Return what `ssl` says of a certificate, for people."""
    return Certificate(
        protocol=protocol,
        subject=_first_name(certificate) or _common_name(certificate.get("subject", ())),
        issuer=_common_name(certificate.get("issuer", ())),
        expires=str(certificate.get("notAfter", "")),
    )


def _common_name(names: Any) -> str:
    """Return the common name, or else the organisation, of a distinguished name."""
    parts = {key: value for ((key, value), *_) in names}
    return str(parts.get("commonName") or parts.get("organizationName") or "")


def _first_name(certificate: Any) -> str:
    """Return the first of the host names that a certificate is for."""
    return next((str(name) for _, name in certificate.get("subjectAltName", ())), "")


def _not_trusted(host: str, reason: str) -> SqlError:
    """Return the error for a certificate that does not pass."""
    return SqlError(
        f"SQL Server {host} (SQL_SERVER): its certificate is not trusted: {reason}",
        kind="sql.tls",
        hint="add the server's CA to the image (SSL_CERT_FILE names a bundle); SQL_SERVER must be "
        "the host name in the certificate; do not switch the check off",
    )


def _failed(host: str, reason: str, kind: str = "tls") -> SqlError:
    """Return the error for a handshake that did not come to the certificate."""
    return SqlError(
        f"SQL Server {host} (SQL_SERVER): no TLS handshake: {reason}",
        kind=f"sql.{kind}",
        hint="check that SQL_SERVER and its port are a SQL Server's, and what stands between",
    )
