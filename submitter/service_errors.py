"""The SDKs' many exceptions → this package's few, with the next step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from submitter.errors import NotFoundError, ServiceError, SignInError, SubmitterError

# Microsoft Entra's error codes, as documented in
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
_ENTRA_NEXT_STEP = {
    "AADSTS7000215": "AZURE_CLIENT_SECRET is wrong. Use the secret's value, not its id.",
    "AADSTS7000222": "AZURE_CLIENT_SECRET has expired. Ask for a new one and set it.",
    "AADSTS700016": "AZURE_CLIENT_ID is not known in the tenant AZURE_TENANT_ID.",
    "AADSTS90002": "AZURE_TENANT_ID is not a tenant.",
}
_ENTRA_CODE = re.compile(r"AADSTS\d+")
_STATUS = re.compile(r"(?:Response Code|Code|status code)\D{0,3}(\d{3})", re.IGNORECASE)
_MESSAGE = re.compile(r'"message": ?"([^"]+)"')
_NO_ANSWER = re.compile(
    r"refused|timed out|timeout|resolve|unreachable|reset|aborted|Max retries|EOF|SSL|CERTIFICATE",
    re.IGNORECASE,
)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what an SDK raises inside the block into one of this package's errors.

    Args:
        doing: What was being done and where, as in "open the workspace ws-ml".

    Raises:
        SignInError: Entra or the service refused the identity.
        NotFoundError: The service answered 404.
        ServiceError: Anything else that an SDK raised.
    """
    try:
        yield
    except SubmitterError:
        raise
    except Exception as error:
        raise explain(error, doing) from error


def explain(error: Exception, doing: str) -> SubmitterError:
    """Return this package's error for an SDK's; see `explained`."""
    text = _whole_text(error)
    entra = _ENTRA_CODE.search(text)
    if entra:
        step = _ENTRA_NEXT_STEP.get(entra[0], "Look the code up in Microsoft's list.")
        return SignInError(f"Could not {doing}: the sign-in was refused ({entra[0]}). {step}")
    status = _status(error, text)
    said = _gist(text)
    if status in {401, 403}:
        return SignInError(
            f"Could not {doing}: the service refused this identity ({status}): {said} "
            "Ask for the role AzureML Data Scientist on the workspace."
        )
    if status == 404:  # noqa: PLR2004 - the HTTP status itself
        return NotFoundError(f"Could not {doing}: {said}")
    if status is None and _NO_ANSWER.search(text):
        return ServiceError(
            f"Could not {doing}: no answer: {said} Check the network and HTTPS_PROXY, then try "
            "again."
        )
    return ServiceError(f"Could not {doing}: {said}")


def _whole_text(error: BaseException) -> str:
    """Join the messages of an exception and of those it came from."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 5:  # noqa: PLR2004 - deeper causes add nothing
        texts.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


def _status(error: Exception, text: str) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(status, int):
        return status
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _gist(text: str) -> str:
    """Return the service's own message if there is one, else the first line that says something."""
    message = _MESSAGE.search(text)
    if message:
        return _sentence(message[1])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _sentence(lines[0][:300] if lines else "no reason was given")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
