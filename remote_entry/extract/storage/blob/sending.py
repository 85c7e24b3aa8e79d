"""Requests to blob storage, and what their refusals mean.

Codes: "Blob service error codes" and "Common REST API error codes" of Azure Storage,
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError

from remote_entry.azure.errors import UNAVAILABLE, Cause, network_cause
from remote_entry.errors import ExtractError, RemoteEntryError
from remote_entry.extract.storage.locations import BlobFolder

T = TypeVar("T")

TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})
LEASED = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})
LEASE_LOST = frozenset(
    {
        "LeaseIdMismatchWithBlobOperation",
        "LeaseIdMismatchWithLeaseOperation",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseLost",
        "LeaseNotPresentWithBlobOperation",
        "LeaseNotPresentWithLeaseOperation",
    }
)
NOT_THERE = "BlobNotFound"

_REFUSED, _TIMEOUT, _THROTTLED, _SERVER = 400, 408, 429, 500
_ROLE = Cause(
    "role",
    "the run's identity may not do that there",
    "assign it 'Storage Blob Data Contributor' on the container; a new role takes some minutes",
)
_TOKEN = Cause(
    "token",
    "the storage account refused the token",
    "check that the account belongs to the tenant of AZURE_TENANT_ID, and that the clock is right",
)
_BUSY = Cause("busy", "storage throttled, and kept doing so", "run again, with fewer at once")
_LIMIT = Cause("limit", "it is larger than storage takes", "set rows_per_file lower")
_LEASED = Cause(
    "leased",
    "somebody holds a lease on the blob",
    "wait until that ends, or break the lease in the portal",
)
_BY_CODE = {
    "AccountIsDisabled": Cause("disabled", "the storage account is disabled", "have it enabled"),
    "AuthenticationFailed": _TOKEN,
    "AuthorizationFailure": Cause(
        "firewall",
        "the account's network rules do not let this network in",
        "allow the compute's network in the account's 'Networking', or use a private endpoint",
    ),
    "AuthorizationPermissionMismatch": _ROLE,
    "BlobImmutableDueToPolicy": Cause(
        "immutable",
        "a policy of the container keeps the blob as it is",
        "extract into a container without an immutability policy",
    ),
    "BlockCountExceedsLimit": _LIMIT,
    "BlockListTooLong": _LIMIT,
    "ContainerBeingDeleted": Cause(
        "container", "the container is being deleted", "wait until it is gone, and make it anew"
    ),
    "ContainerNotFound": Cause(
        "container", "there is no such container", "make it, or correct 'to' in the extract's file"
    ),
    "InsufficientAccountPermissions": _ROLE,
    "InvalidAuthenticationInfo": _TOKEN,
    "LeaseIdMissing": _LEASED,
    "NoAuthenticationInformation": _TOKEN,
    "OperationTimedOut": UNAVAILABLE,
    "RequestBodyTooLarge": _LIMIT,
    "ServerBusy": _BUSY,
    **dict.fromkeys(LEASED, _LEASED),
}

# The SDKs log each failure besides raising it.
logging.getLogger("azure").addHandler(logging.NullHandler())


class StorageError(ExtractError):
    """Storage did not do what it was asked for.

    Attributes:
        code: Its word for why; empty if it did not answer.
        is_uncertain: Whether the request may have been carried out all the same.
    """

    def __init__(
        self, message: str, *, kind: str, hint: str, code: str = "", is_uncertain: bool = False
    ) -> None:
        super().__init__(message, kind=kind, hint=hint)
        self.code = code
        self.is_uncertain = is_uncertain


def send(request: Callable[[], T], doing: str, root: BlobFolder) -> T:
    """Send a request.

    Args:
        request: Calls the SDK.
        doing: What it does, such as ``writing _PLAN.json``.
        root: Where.

    Raises:
        StorageError: Storage did not do it.
        IdentityError: There is no token.
    """
    failed: RemoteEntryError
    try:
        return request()
    except RemoteEntryError as error:  # from the credential
        failed = error
    except AzureError as error:
        failed = _refused(error, doing, root)
    # Not inside the handlers: an SDK's error, whose request holds the token, would come along.
    failed.__cause__ = failed.__context__ = None
    raise failed.with_traceback(None)


def _refused(error: AzureError, doing: str, root: BlobFolder) -> StorageError:
    """Return what a failed request means."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is None or status < _REFUSED:  # no answer, or one that breaks off
        status = None
    code = _code_of(error) if status else ""
    cause = _BY_CODE.get(code) or _cause_of_status(status or 0, code, str(error))
    said = f" ({status} {code})".replace(" )", ")") if status else ""
    return StorageError(
        f"{doing[:1].upper()}{doing[1:]} in {root} failed: {cause.summary}{said}",
        kind=f"extract.storage-{cause.kind}",
        hint=cause.hint,
        code=code,
        is_uncertain=status is None or status >= _SERVER or status == _TIMEOUT,
    )


def _code_of(error: Any) -> str:
    """Return storage's own word for what is wrong: the SDK has an enum for those it knows."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _cause_of_status(status: int, code: str, text: str) -> Cause:
    """Return the cause where the code tells nothing, or there is none."""
    if not status:
        return network_cause(text) or Cause(
            "network", "storage did not answer", "check the way from the compute to the account"
        )
    if status == _THROTTLED:
        return _BUSY
    if status >= _SERVER:
        return UNAVAILABLE
    return Cause(
        "refused", "storage refused it", f"look {code or status} up in Azure Storage's error codes"
    )
