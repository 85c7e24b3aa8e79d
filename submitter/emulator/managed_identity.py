"""The token endpoint that Azure ML gives to the runs of a compute target with an identity.

Plain HTTP on the node itself. A request is the one of App Service's protocol of 2017-09-01, which
azure-identity and msal send when `MSI_ENDPOINT` and `MSI_SECRET` are set. The client id must be
named: without it the service falls back on an identity that a cluster's run does not have.
"""

import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

from starlette.responses import JSONResponse, Response

from submitter.emulator.entra import Entra, Principal
from submitter.emulator.service import Call, Problem, Route, Service

HOST = "127.0.0.1"
PATH = "/MSI/auth"
API_VERSION = "2017-09-01"


class ManagedIdentities:
    """Hands out tokens to whoever knows the secret of an identity's compute target.

    Args:
        identities: The managed identities.
        entra: Issues the tokens.
        base_url: Where the endpoint is served, without its path.
    """

    def __init__(self, identities: Iterable[Principal], entra: Entra, base_url: str) -> None:
        self._entra = entra
        self._endpoint = f"{base_url}{PATH}"
        self._identities = {identity.name: identity for identity in identities}
        self._secrets = {name: secrets.token_urlsafe(24) for name in self._identities}

    def service(self) -> Service:
        """Return the endpoint."""
        return Service(
            "managed-identity", HOST, (Route("GET", PATH, self._hand_out),), render=_plain_error
        )

    def environment(self, name: str | None) -> Mapping[str, str]:
        """Return the variables that a process with an identity has; none without one.

        Args:
            name: The identity's name.

        Raises:
            KeyError: There is none of that name.
        """
        if name is None:
            return {}
        return {
            "MSI_ENDPOINT": self._endpoint,
            "MSI_SECRET": self._secrets[name],
            "DEFAULT_IDENTITY_CLIENT_ID": self._identities[name].client_id,
        }

    def _hand_out(self, call: Call) -> Response:
        identity = self._identity_behind(call.headers.get("secret", ""))
        if call.query.get("api-version") != API_VERSION:
            raise Problem(400, "BadRequest", f"The api-version must be {API_VERSION}.")
        resource = call.query.get("resource", "")
        if not resource:
            raise Problem(400, "BadRequest", "The parameter 'resource' is missing.")
        if call.query.get("clientid") != identity.client_id:
            # What a compute target says of an identity that it has not; azure-cli#28220 quotes it.
            raise Problem(400, "BadRequest", f"Token service {identity.name}. Token not found")
        token, seconds = self._entra.hand_out(identity, resource, call.token_fault)
        return JSONResponse(
            {
                "access_token": token,
                "expires_on": str(int(time.time()) + seconds),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": identity.client_id,
            }
        )

    def _identity_behind(self, secret: str) -> Principal:
        for name, known in self._secrets.items():
            if hmac.compare_digest(known.encode(), secret.encode()):
                return self._identities[name]
        raise Problem(401, "Unauthorized", "The header 'secret' is missing or wrong.")


def _plain_error(problem: Problem) -> Response:
    """Write an error as App Service's endpoint does."""
    body = {"statusCode": problem.status, "message": problem.message}
    return JSONResponse(body, problem.status, problem.headers)
