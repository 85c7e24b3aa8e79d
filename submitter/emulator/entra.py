"""Entra ID: who may sign in, and tokens that the other services validate.

Endpoints and error numbers are those that azure-identity, msal and azureml-core's own sign-in use:
OpenID discovery, instance discovery and the OAuth 2.0 client credentials grant (with a secret or
a certificate). Nobody signs in interactively here.
"""

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.responses import JSONResponse, Response

from submitter.emulator.service import Call, Claims, Problem, Route, Service, TokenFault

LOGIN_HOST = "login.microsoftonline.com"
TOKEN_SECONDS = 3599
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenError(Exception):
    """A token that a service must not accept; the message says why."""


class TokenExpiredError(TokenError):
    """It was right once."""


class WrongTenantError(TokenError):
    """It is from another tenant."""


@dataclass(frozen=True)
class Principal:
    """An application that may sign in.

    Attributes:
        name: A label for people.
        client_id: The application's id.
        client_secret: Its secret, or None if it has none.
        certificate: Its certificate, or None if it has none.
        secret_expired: Whether the secret counts as expired.
        vault_permissions: What it may do with secrets in a vault.
        role: The name of its role on the workspace.
        storage_role: The name of its role for the data in the storage account.
        object_id: Its id in the directory.
    """

    name: str
    client_id: str
    client_secret: str | None = field(repr=False, default=None)
    certificate: x509.Certificate | None = field(repr=False, default=None)
    secret_expired: bool = False
    vault_permissions: frozenset[str] = frozenset()
    role: str = "Contributor"
    storage_role: str = "none"
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Entra:
    """One tenant: its principals, its signing key, its endpoints.

    Args:
        tenant_id: The tenant's id.
        principals: Who may sign in.
    """

    def __init__(self, tenant_id: str, principals: Iterable[Principal]) -> None:
        self.tenant_id = tenant_id
        self.principals = {principal.client_id: principal for principal in principals}
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = secrets.token_hex(8)

    def service(self) -> Service:
        """Return the sign-in endpoints."""
        return Service(
            "entra",
            LOGIN_HOST,
            (
                Route("GET", "/common/discovery/instance", self._discover_instance),
                Route("GET", "/{tenant}/.well-known/openid-configuration", self._describe),
                Route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", self._describe),
                Route("GET", "/{tenant}/discovery/v2.0/keys", self._list_keys),
                Route("POST", "/{tenant}/oauth2/v2.0/token", self._grant),
            ),
            render=_oauth_error,
        )

    def issue(
        self, subject: str, audience: str, *, seconds: float = TOKEN_SECONDS, **claims: Any
    ) -> str:
        """Sign a token.

        Args:
            subject: Whom it speaks for.
            audience: The one service it is for.
            seconds: How long it is valid.
            **claims: Further claims, such as `appid` and `oid`.

        Returns:
            A JWT signed with RS256.
        """
        issued = int(time.time())
        payload = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant_id}/",
            "tid": self.tenant_id,
            "sub": subject,
            "iat": issued,
            "nbf": issued - 300,
            "exp": issued + int(seconds),
            "ver": "1.0",
            **claims,
        }
        return jwt.encode(payload, self._key, "RS256", headers={"kid": self._key_id})

    def validate(self, token: str, *audiences: str) -> Claims:
        """Check signature, expiry, tenant and audience of a token.

        Args:
            token: The token as the client sent it.
            *audiences: The audiences to accept; a trailing slash makes no difference.

        Returns:
            The token's claims.

        Raises:
            TokenError: One of the checks failed.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "require": ["exp", "aud", "tid"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpiredError("The access token has expired.") from None
        except jwt.InvalidTokenError as error:
            raise TokenError(f"The access token is not valid: {error}.") from None
        if claims["tid"] != self.tenant_id:
            raise WrongTenantError(
                f"Invalid issuer. Expected one of https://sts.windows.net/{self.tenant_id}/, "
                f"found https://sts.windows.net/{claims['tid']}/."
            )
        accepted = {audience.rstrip("/") for audience in audiences}
        if str(claims["aud"]).rstrip("/") not in accepted:
            raise TokenError(
                f"Invalid audience. Expected {', '.join(audiences)}, found: {claims['aud']}."
            )
        return claims

    def _describe(self, call: Call) -> Response:
        tenant = self._known_tenant(call)
        base = f"https://{call.host}/{tenant}"
        return JSONResponse(
            {
                "issuer": f"https://{call.host}/{self.tenant_id}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    def _discover_instance(self, call: Call) -> Response:
        """Say whether a host is an authority; clients ask for those that they do not know."""
        aliases = [LOGIN_HOST, "login.windows.net", "sts.windows.net"]
        asked = urlsplit(call.query.get("authorization_endpoint", "")).hostname
        if asked not in {None, *aliases}:
            raise Problem(400, "invalid_instance", "AADSTS50049: Unknown or invalid instance.")
        metadata = {
            "preferred_network": LOGIN_HOST,
            "preferred_cache": "login.windows.net",
            "aliases": aliases,
        }
        document = f"https://{call.host}/{self.tenant_id}/v2.0/.well-known/openid-configuration"
        return JSONResponse(
            {
                "tenant_discovery_endpoint": document,
                "api-version": "1.1",
                "metadata": [metadata],
            }
        )

    def _list_keys(self, call: Call) -> Response:
        self._known_tenant(call)
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**key, "kid": self._key_id, "use": "sig"}]})

    def _known_tenant(self, call: Call) -> str:
        tenant = call.parameters["tenant"]
        if tenant != self.tenant_id:
            raise Problem(400, "invalid_tenant", f"AADSTS90002: Tenant '{tenant}' not found.")
        return tenant

    def _grant(self, call: Call) -> Response:
        """Answer the client credentials grant (RFC 6749, section 4.4)."""
        tenant = self._known_tenant(call)
        form = dict(parse_qsl(call.body.decode()))
        if form.get("grant_type") != "client_credentials":
            raise Problem(
                400,
                "unsupported_grant_type",
                f"AADSTS70003: The app requested an unsupported grant type "
                f"'{form.get('grant_type')}'; the emulator plays client_credentials only.",
            )
        principal = self._authenticated(form, f"https://{call.host}/{tenant}/oauth2/v2.0/token")
        resource = _audience_of(form.get("scope", ""))
        token, seconds = self.hand_out(principal, resource, call.token_fault)
        return JSONResponse(
            {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            }
        )

    def hand_out(
        self, principal: Principal, resource: str, fault: TokenFault | None = None
    ) -> tuple[str, int]:
        """Issue a principal's token, and say how long the client is told that it is valid.

        Args:
            principal: Whom it speaks for.
            resource: The one service it is for.
            fault: What a fault rule does to it.

        Returns:
            The token, and seconds. A client cannot know that its token has expired already, as it
            cannot when its clock goes wrong.
        """
        fault = fault or TokenFault()
        seconds = TOKEN_SECONDS if fault.seconds is None else fault.seconds
        token = self.issue(
            principal.object_id,
            resource,
            seconds=seconds,
            oid=principal.object_id,
            appid=principal.client_id,
            idtyp="app",
            **({} if fault.tenant is None else {"tid": fault.tenant}),
        )
        return token, int(seconds) if seconds > 0 else TOKEN_SECONDS

    def _authenticated(self, form: Mapping[str, str], token_url: str) -> Principal:
        """Return the principal that a token request proves to come from."""
        client_id = form.get("client_id", "")
        principal = self.principals.get(client_id)
        if principal is None:
            raise Problem(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application with identifier '{client_id}' was not found in the "
                f"directory '{self.tenant_id}'.",
            )
        if "client_secret" in form:
            _check_secret(principal, form["client_secret"])
        elif form.get("client_assertion_type") == ASSERTION_TYPE:
            _check_assertion(principal, form.get("client_assertion", ""), token_url)
        else:
            raise Problem(
                401,
                "invalid_client",
                "AADSTS7000218: The request body must contain the following parameter: "
                "'client_assertion' or 'client_secret'.",
            )
        return principal


def _check_secret(principal: Principal, secret: str) -> None:
    known = principal.client_secret
    if known is None or not hmac.compare_digest(known.encode(), secret.encode()):
        raise Problem(
            401,
            "invalid_client",
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the "
            "request is the client secret value, not the client secret ID, for a secret added to "
            f"app '{principal.client_id}'.",
        )
    if principal.secret_expired:
        raise Problem(
            401,
            "invalid_client",
            "AADSTS7000222: The provided client secret keys for app "
            f"'{principal.client_id}' are expired.",
        )


def _check_assertion(principal: Principal, assertion: str, token_url: str) -> None:
    """Refuse an assertion that the application's certificate does not vouch for."""
    try:
        _verify_assertion(principal, assertion, token_url)
    except jwt.InvalidTokenError as error:
        raise Problem(
            401,
            "invalid_client",
            "AADSTS700027: The certificate with identifier used to sign the client assertion is "
            f"not registered on application, or the assertion is not valid: {error}.",
        ) from None
    certificate = principal.certificate
    moment = dt.datetime.now(dt.timezone.utc)
    if certificate is not None and not (
        certificate.not_valid_before_utc <= moment < certificate.not_valid_after_utc
    ):
        raise Problem(
            401,
            "invalid_client",
            "AADSTS1000502: The provided certificate is not within its specified validity window.",
        )


def _verify_assertion(principal: Principal, assertion: str, token_url: str) -> None:
    """Verify a JWT signed with the private key of the application's certificate (RFC 7523)."""
    if principal.certificate is None:
        raise jwt.InvalidTokenError("no certificate is registered for the application")
    key = principal.certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise jwt.InvalidTokenError("only certificates with an RSA key can sign assertions")
    header = jwt.get_unverified_header(assertion)
    # msal writes the thumbprint with base64 padding.
    thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "").rstrip("=")
    if thumbprint not in _thumbprints(principal.certificate):
        raise jwt.InvalidTokenError("the thumbprint names no registered certificate")
    claims = jwt.decode(assertion, key, algorithms=["RS256", "PS256"], audience=token_url)
    if claims.get("iss") != principal.client_id or claims.get("sub") != principal.client_id:
        raise jwt.InvalidTokenError("issuer and subject must be the client id")


def _thumbprints(certificate: x509.Certificate) -> set[str]:
    encoded = certificate.public_bytes(serialization.Encoding.DER)
    digests = (
        hashlib.sha256(encoded).digest(),
        hashlib.sha1(encoded, usedforsecurity=False).digest(),  # what the x5t header is defined as
    )
    return {base64.urlsafe_b64encode(digest).rstrip(b"=").decode() for digest in digests}


def _audience_of(scope: str) -> str:
    """Take `https://vault.azure.net/.default` to the resource it stands for."""
    return scope.split(" ", maxsplit=1)[0].removesuffix("/.default")


def _oauth_error(problem: Problem) -> Response:
    """Write an error as the token endpoint does (RFC 6749, section 5.2, with Entra's additions)."""
    number = problem.message.partition(":")[0].removeprefix("AADSTS")
    body = {
        "error": problem.code,
        "error_description": f"{problem.message} Trace ID: {uuid.uuid4()}",
        "error_codes": [int(number)] if number.isdigit() else [],
        "correlation_id": str(uuid.uuid4()),
    }
    return JSONResponse(body, problem.status, problem.headers)
