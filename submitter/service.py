"""Ask a service through its SDK: an answer, one of this package's errors, or a deadline."""

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from submitter.errors import (
    InputError,
    NoAnswerError,
    NotFoundError,
    ServiceError,
    SignInError,
    SubmitterError,
)

_DEFAULT_SECONDS = 60.0

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
_SIGNATURE = re.compile(r"([?&]sig=)[^&\s'\")]+")  # of a signed blob address: it opens the blob
_MESSAGE = re.compile(r'"message": ?"([^"]+)"')
# Searched in this order: a proxy's trouble also mentions the connection that it had it with.
_NETWORK_CAUSES = (
    (r"CERTIFICATE|SSL", "its TLS certificate is not trusted (REQUESTS_CA_BUNDLE names a bundle)"),
    (r"resolve|getaddrinfo|Name or service not known", "its name does not resolve"),
    (r"refused", "the connection was refused"),
    (r"timed out|timeout", "there was no answer in time"),
    (r"[Dd]isconnected|reset|aborted|EOF|unreachable|Max retries", "the connection was cut"),
)


T = TypeVar("T")


def ask(doing: str, call: Callable[[], T], *, seconds: float | None = None) -> T:
    """Make a call of an SDK that ends: with its answer, an explained error, or a deadline.

    azureml-core waits for a silent service for ever, and offers no bound of its own. So the call
    is made on a thread that is left behind, and ends with the process, if no answer comes.

    Args:
        doing: What is being done and where, as in "open the workspace ws-ml".
        call: The SDK's call.
        seconds: How long to wait for its answer; by default SUBMITTER_TIMEOUT, or a minute.

    Returns:
        What the call returned.

    Raises:
        SignInError: Entra or the service refused the identity.
        NotFoundError: The service answered 404.
        NoAnswerError: There was no answer in time, or the connection failed.
        ServiceError: The SDK raised anything else.
    """
    bound = patience() if seconds is None else seconds
    answer = begin(call)
    try:
        return answer.result(bound)
    except SubmitterError:
        raise
    except Exception as error:
        if not answer.done():
            raise NoAnswerError(
                f"Could not {doing}: there was no answer within {bound:g} s. Check the network "
                "and HTTPS_PROXY, or give it more time: SUBMITTER_TIMEOUT=SECONDS"
            ) from None
        raise explain(error, doing) from error


def begin(call: Callable[[], T]) -> "Future[T]":
    """Make a call on a thread of its own, which nobody has to wait for at the process's end."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            answer.set_exception(error)

    threading.Thread(target=work, name="submitter", daemon=True).start()
    return answer


def patience() -> float:
    """Return how many seconds one question to a service may take.

    Raises:
        InputError: SUBMITTER_TIMEOUT is no positive number.
    """
    text = os.environ.get("SUBMITTER_TIMEOUT", "") or str(_DEFAULT_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise InputError("SUBMITTER_TIMEOUT is not a positive number of seconds.")
    return seconds


def explain(error: Exception, doing: str) -> SubmitterError:
    """Return this package's error for an SDK's; see `ask`."""
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
    if status is None:
        for pattern, cause in _NETWORK_CAUSES:
            if re.search(pattern, text):
                return NoAnswerError(
                    f"Could not {doing}: {cause}. Check the network and HTTPS_PROXY, then try "
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
    text = _SIGNATURE.sub(r"\1***", text)
    return text if text.endswith((".", "!", "?")) else f"{text}."
