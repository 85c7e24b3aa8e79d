"""Leases on blobs: who alone may write one, for a while.

States and outcomes are those of the tables in "Lease Blob", REST reference of the Blob service:
https://learn.microsoft.com/rest/api/storageservices/lease-blob. Changing a lease's id is not
played, and a lease that is broken ends at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

SHORTEST_SECONDS = 15
LONGEST_SECONDS = 60
FOR_EVER = -1


class LeaseRefused(ValueError):  # noqa: N818 - the service's own word for a state that forbids it
    """A lease forbids a request, or is not what the request takes it for.

    Args:
        status: The HTTP status.
        code: The service's word for it.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class _Lease:
    """Who holds a blob, or held it last."""

    id: str
    seconds: int
    until: float
    is_broken: bool = False


class Leases:
    """The leases of one storage account; whoever calls holds the blobs' own lock.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._leases: dict[str, _Lease] = {}

    def state(self, blob: str) -> str:
        """Return `available`, `leased`, `expired` or `broken`."""
        lease = self._leases.get(blob)
        if lease is None:
            return "available"
        if lease.is_broken:
            return "broken"
        return "leased" if self._clock() < lease.until else "expired"

    def acquire(self, blob: str, proposed: str, seconds: int) -> None:
        """Hold a blob; whoever holds it already, by the same id, begins anew."""
        if seconds != FOR_EVER and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            raise LeaseRefused(400, "InvalidHeaderValue")
        if self.state(blob) == "leased" and self._leases[blob].id != proposed:
            raise LeaseRefused(409, "LeaseAlreadyPresent")
        self._leases[blob] = _Lease(proposed, seconds, self._end(seconds))

    def renew(self, blob: str, lease_id: str) -> None:
        """Begin a lease's time anew, also of one that has expired while nobody else came."""
        lease = self._own(blob, lease_id)
        if lease.is_broken:
            raise LeaseRefused(409, "LeaseIsBrokenAndCannotBeRenewed")
        self._leases[blob] = replace(lease, until=self._end(lease.seconds))

    def release(self, blob: str, lease_id: str) -> None:
        """Let a blob go."""
        self._own(blob, lease_id)
        del self._leases[blob]

    def break_(self, blob: str) -> None:
        """End somebody's lease, without knowing its id."""
        lease = self._leases.get(blob)
        if lease is None:
            raise LeaseRefused(409, "LeaseNotPresentWithLeaseOperation")
        self._leases[blob] = replace(lease, is_broken=True)

    def expire(self) -> None:
        """Let the time of every lease run out."""
        for blob, lease in self._leases.items():
            self._leases[blob] = replace(lease, until=self._clock())

    def check_write(self, blob: str, lease_id: str | None) -> None:
        """Refuse to change a blob that somebody else holds, or by a lease that is over.

        A change without a lease id lets an expired lease be forgotten: it cannot be renewed then.
        """
        state = self.state(blob)
        if state == "leased":
            if lease_id is None:
                raise LeaseRefused(412, "LeaseIdMissing")
            if lease_id != self._leases[blob].id:
                raise LeaseRefused(412, "LeaseIdMismatchWithBlobOperation")
            return
        if lease_id is not None:
            over = state != "available" and lease_id == self._leases[blob].id
            raise LeaseRefused(412, "LeaseLost" if over else "LeaseNotPresentWithBlobOperation")
        self._leases.pop(blob, None)

    def forget(self, blob: str) -> None:
        """Let the lease go with its blob."""
        self._leases.pop(blob, None)

    def _own(self, blob: str, lease_id: str) -> _Lease:
        lease = self._leases.get(blob)
        if lease is None or lease.id != lease_id:
            raise LeaseRefused(409, "LeaseIdMismatchWithLeaseOperation")
        return lease

    def _end(self, seconds: int) -> float:
        return float("inf") if seconds == FOR_EVER else self._clock() + seconds
