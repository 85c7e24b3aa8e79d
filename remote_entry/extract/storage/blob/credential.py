"""The run's own identity as azure-storage-blob asks for it."""

import threading
import time
from collections.abc import Callable
from typing import Any

from azure.core.credentials import AccessToken as SdkToken

from remote_entry.access_token import AccessToken
from remote_entry.errors import IdentityError

_STILL_GOOD_SECONDS = 30


class StorageCredential:
    """A credential for azure-core clients, made of whatever fetches a new token.

    azure-core keeps a token, and asks again from five minutes before its end on, or after a service
    has refused it (401). So a long extract outlives any number of tokens.

    Args:
        fetch: Returns a new token.
        clock: Seconds since 1970.
    """

    def __init__(
        self, fetch: Callable[[], AccessToken], clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None

    def get_token(self, *_scopes: str, tenant_id: str | None = None, **_options: Any) -> SdkToken:
        """Return a new token.

        Args:
            tenant_id: From the challenge of a service that has refused the last one.

        Raises:
            IdentityError: There is none, and the last one is of no use any more.
        """
        with self._lock:
            known = self._token
            try:
                self._token = known = self._fetch()
            except IdentityError:
                # Entra ID may be back before the last token ends.
                if known is None or tenant_id is not None or not self._is_good(known):
                    raise
            return SdkToken(known.text.text, known.expires_on)

    def _is_good(self, token: AccessToken) -> bool:
        return token.expires_on - self._clock() > _STILL_GOOD_SECONDS
