"""A certificate authority that lives as long as the emulator, and the certificates it signs."""

import datetime as dt
import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme


class Certificates:
    """A throw-away certificate authority.

    trustme makes elliptic-curve keys and sets the subject alternative names and the authority
    key identifier that OpenSSL 3 asks for.
    """

    def __init__(self) -> None:
        self._authority = trustme.CA(
            organization_name="submitter emulator", organization_unit_name="throw-away CA"
        )

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate, what clients are told to trust, as PEM."""
        self._authority.cert_pem.write_to_path(str(path))

    def server_context(self, names: Iterable[str]) -> ssl.SSLContext:
        """Make a server-side TLS context with one certificate for all of `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.configure(context, names)
        return context

    def configure(
        self, context: ssl.SSLContext, names: Iterable[str], *, expired: bool = False
    ) -> None:
        """Give a TLS context a certificate for host names (wildcards included) and addresses."""
        yesterday = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)
        ends = yesterday if expired else None
        self._authority.issue_cert(*names, not_after=ends).configure_cert(context)
