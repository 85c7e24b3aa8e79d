"""Secrets that must be found nowhere, and a text beside them that must be."""

from support.value_encodings import encodings_of, with_lines

PLANTED = "Planted;{not}@%'\"secret <&> 5b\u00fc7+/~"
CLIENT_SECRET = "Canary~Client.Secret-8f3a"
PASSWORD = "canary;{pass}@%'\"word 9d\u00fc7"
USER = "canary_login_51c0"
SIGNING_KEY = (
    "-----BEGIN CANARY-----\nMIIEvQIBADANBgkq+/7c\nhkiG9w0BAQEFAASC~{x}\n-----END CANARY-----"
)
API_KEY = "canary/api+key=&42"
HIDDEN = with_lines(
    {
        "client secret": CLIENT_SECRET,
        "password": PASSWORD,
        "user": USER,
        "signing key": SIGNING_KEY,
        "API key": API_KEY,
    }
)


def leaks_in(content: bytes) -> dict[str, list[str]]:
    """Return which secrets a content shows, and how."""
    found = {name: encodings_of(value, content) for name, value in HIDDEN.items()}
    return {name: ways for name, ways in found.items() if ways}
