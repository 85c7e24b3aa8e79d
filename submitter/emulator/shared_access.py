"""Shared access signatures: addresses that let a client in to a single blob, for a while."""

import base64
import hashlib
import hmac
import secrets
import time
from datetime import datetime, timezone
from urllib.parse import quote, unquote, urlencode

from submitter.emulator.service import Call, Problem

SIGNATURE_SECONDS = 24 * 3600


class SharedAccess:
    """Issues and checks signed addresses of single blobs.

    Expiry, permissions and path are signed, as in a service SAS; the string that is signed is the
    emulator's own.

    Args:
        host: The host name of the storage account.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._key = secrets.token_bytes(32)

    def url(self, blob: str, permissions: str, seconds: int = SIGNATURE_SECONDS) -> str:
        """Return an address that allows `permissions` (letters of `racwd`) for a while."""
        expiry = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
        written_expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {
            "sv": "2021-08-06",
            "sr": "b",
            "sp": permissions,
            "se": written_expiry,
            "sig": self._sign(blob, permissions, written_expiry),
        }
        return f"https://{self._host}/{quote(blob)}?{urlencode(query)}"

    def blob_of(self, call: Call, needed: str) -> str:
        """Return the blob that a call may touch, after checking its signature.

        Args:
            call: The request.
            needed: Permissions of which one is enough.

        Raises:
            Problem: Signature, path, expiry or permissions do not fit.
        """
        permissions = call.query.get("sp", "")
        expiry = call.query.get("se", "")
        signature = call.query.get("sig", "")
        asked = call.path.lstrip("/")
        # azureml-core quotes the path of an address once more when it uploads: the signature tells
        # which of the two readings is meant.
        for blob in (asked, unquote(asked)):
            expected = self._sign(blob, permissions, expiry)
            if hmac.compare_digest(expected.encode(), signature.encode()):
                break
        else:
            raise refused("Signature did not match. The path or a parameter was changed.")
        if expiry < datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"):
            raise refused(f"Signature not valid in the specified time frame: it ended {expiry}.")
        if not set(needed) & set(permissions):
            raise Problem(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            )
        return blob

    def _sign(self, blob: str, permissions: str, expiry: str) -> str:
        text = f"{self._host}\n{blob}\n{permissions}\n{expiry}"
        digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


def refused(detail: str) -> Problem:
    """Return how the service refuses whoever it cannot tell from anybody."""
    return Problem(
        403, "AuthenticationFailed", f"Server failed to authenticate the request. {detail}"
    )
