"""A storage account's key: whoever signs a request with it may do everything in the account.

Follows "Authorize with Shared Key" of the REST reference of Azure Storage, for the versions since
2015-02-21 of the Blob service.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from submitter.emulator.service import Call, Problem

_SCHEME = "SharedKey "
# In this order; a header that was not sent counts as empty.
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True)
class AccountKey:
    """The key of a storage account.

    Attributes:
        account: The account's name.
        value: The key in base64, as Azure hands it out.
    """

    account: str
    value: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode(), repr=False
    )

    def signature_of(self, call: Call) -> str:
        """Return the signature that a request must carry."""
        text = _string_to_sign(call, self.account)
        key = base64.b64decode(self.value)
        return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()

    def check(self, call: Call) -> None:
        """Let a request pass that is signed with this key.

        Raises:
            Problem: It is signed with another key, for another account, or was changed.
        """
        account, _, signature = call.headers["authorization"].removeprefix(_SCHEME).partition(":")
        right = hmac.compare_digest(signature.encode(), self.signature_of(call).encode())
        if account != self.account or not right:
            raise Problem(
                403,
                "AuthenticationFailed",
                "Server failed to authenticate the request. The MAC signature found in the HTTP "
                "request is not the same as any computed signature.",
            )


def is_signed_with_a_key(call: Call) -> bool:
    """Say whether a request claims to be signed with an account's key."""
    return call.headers.get("authorization", "").startswith(_SCHEME)


def _string_to_sign(call: Call, account: str) -> str:
    headers = dict(call.headers)
    if headers.get("content-length") == "0":
        headers["content-length"] = ""
    own = sorted(name for name in headers if name.startswith("x-ms-"))
    query = sorted((name.lower(), value) for name, value in call.query.items())
    lines = [
        call.method,
        *(headers.get(name, "") for name in _SIGNED_HEADERS),
        *(f"{name}:{headers[name]}" for name in own),
        f"/{account}{call.raw_path}",
        *(f"{name}:{value}" for name, value in query),
    ]
    return "\n".join(lines)
