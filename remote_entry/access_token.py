"""An access token and how long it is good for."""

from dataclasses import dataclass

from remote_entry.hidden import Hidden


@dataclass(frozen=True)
class AccessToken:
    """An access token.

    Attributes:
        text: The token itself.
        expires_on: When it ends, in seconds since 1970.
    """

    text: Hidden
    expires_on: int
