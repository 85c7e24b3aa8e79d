"""Key Vault's data plane for secrets, over HTTP.

Paths, bodies and errors follow the REST reference of Key Vault (Secrets, api-version 7.x) as far as
azure-keyvault-secrets uses it. Backup and restore are not played.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from submitter.emulator.entra import Entra, TokenError, TokenExpiredError, WrongTenantError
from submitter.emulator.service import Call, Claims, Handler, Problem, Route, Service
from submitter.emulator.vault import (
    DeletedSecret,
    SecretIsDeleted,
    SecretNotFound,
    SecretVersion,
    Vault,
)

AUDIENCE = "https://vault.azure.net"
PAGE_SIZE = 25
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_VERSION = re.compile(r"[0-9a-f]{32}")
# api-versions that clients in use send: the dated ones are azure-keyvault-secrets 4.10 and later.
_API_VERSION = re.compile(r"2016-10-01|7\.[0-9]|20(2[5-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}")


class KeyVault:
    """Serves the secrets of all vaults.

    Args:
        vaults: The vaults by name.
        entra: Validates tokens; its principals carry the vault permissions.
    """

    def __init__(self, vaults: Mapping[str, Vault], entra: Entra) -> None:
        self._vaults = vaults
        self._entra = entra

    def service(self) -> Service:
        """Return the data plane of all vaults."""
        secret, deleted = "/secrets/{name}", "/deletedsecrets/{name}"
        routes = [
            ("GET", "/secrets", "list", self._list),
            ("GET", secret, "get", self._get),
            ("GET", f"{secret}/versions", "list", self._list_versions),
            ("GET", f"{secret}/{{version}}", "get", self._get),
            ("PUT", secret, "set", self._set),
            ("PATCH", secret, "set", self._update),
            ("PATCH", f"{secret}/{{version}}", "set", self._update),
            ("DELETE", secret, "delete", self._delete),
            ("GET", "/deletedsecrets", "list", self._list_deleted),
            ("GET", deleted, "get", self._get_deleted),
            ("DELETE", deleted, "purge", self._purge),
            ("POST", f"{deleted}/recover", "recover", self._recover),
        ]
        return Service(
            "keyvault",
            "*.vault.azure.net",
            tuple(
                # azure-keyvault-secrets asks for the latest version with a trailing slash.
                Route(method, path + slash, self._permitted(permission, handler))
                for method, path, permission, handler in routes
                for slash in ("", "/")
            ),
            authenticate=self._authenticate,
        )

    def _authenticate(self, call: Call) -> Claims:
        """Check the token; without one, challenge the client as the service does.

        The client learns tenant and resource from the challenge ("authentication, requests and
        responses" in the documentation of Key Vault).
        """
        authority = f"https://login.windows.net/{self._entra.tenant_id}"
        challenge = {
            "WWW-Authenticate": f'Bearer authorization="{authority}", resource="{AUDIENCE}"'
        }
        token = call.bearer_token
        if token is None:
            message = "AKV10000: Request is missing a Bearer or PoP token."
            raise Problem(401, "Unauthorized", message, headers=challenge)
        try:
            return self._entra.validate(token, AUDIENCE)
        except TokenError as error:
            message = _token_refused(error)
            raise Problem(401, "Unauthorized", message, headers=challenge) from None

    def _permitted(self, permission: str, handler: Callable[[Call, Vault], Response]) -> Handler:
        """Wrap a handler so that it runs for callers with a permission, on the vault they named."""

        def checked(call: Call) -> Response:
            vault = self._vault_of(call)
            api_version = call.query.get("api-version", "")
            if not _API_VERSION.fullmatch(api_version):
                message = f"The specified version ({api_version}) is not recognized."
                raise Problem(400, "BadParameter", message)
            self._check_permission(call, vault, permission)
            try:
                return handler(call, vault)
            except SecretNotFound:
                raise _not_found(call) from None
            except SecretIsDeleted:
                raise _name_is_taken(call) from None

        return checked

    def _vault_of(self, call: Call) -> Vault:
        name = call.host.split(".")[0].lower()
        for vault in self._vaults.values():
            if vault.name.lower() == name:
                return vault
        # In Azure the name of a vault that is not there does not resolve.
        raise Problem(404, "VaultNotFound", f"The emulator has no vault '{name}'.")

    def _check_permission(self, call: Call, vault: Vault, permission: str) -> None:
        application = str(call.claims.get("appid", ""))
        principal = self._entra.principals.get(application)
        if principal is not None and permission in principal.vault_permissions:
            return
        raise Problem(
            403,
            "Forbidden",
            f"The user, group or application 'appid={application};oid={call.claims.get('oid')}' "
            f"does not have secrets {permission} permission on key vault '{vault.name}'.",
            inner_code="AccessDenied",
        )

    def _get(self, call: Call, vault: Vault) -> Response:
        version = call.parameters.get("version")
        if version is not None and not _VERSION.fullmatch(version):
            message = f"The request URI contains an invalid version: {version}"
            raise Problem(400, "BadParameter", message)
        found = vault.secret(_name_in(call), version)
        if not found.enabled:
            message = "Operation get is not allowed on a disabled secret."
            raise Problem(403, "Forbidden", message, inner_code="SecretDisabled")
        return JSONResponse(_bundle(call, found))

    def _list(self, call: Call, vault: Vault) -> Response:
        return _page(call, [_item(call, secret, versioned=False) for secret in vault.current()])

    def _list_versions(self, call: Call, vault: Vault) -> Response:
        return _page(call, [_item(call, version) for version in vault.versions(_name_in(call))])

    def _set(self, call: Call, vault: Vault) -> Response:
        content = call.json or {}
        if not isinstance(content.get("value"), str):
            raise Problem(400, "BadParameter", "Property value has no text.")
        attributes = content.get("attributes") or {}
        added = vault.set(
            _name_in(call),
            content["value"],
            enabled=attributes.get("enabled", True),
            expires=attributes.get("exp"),
            not_before=attributes.get("nbf"),
            content_type=content.get("contentType"),
            tags=content.get("tags"),
        )
        return JSONResponse(_bundle(call, added))

    def _update(self, call: Call, vault: Vault) -> Response:
        content = call.json or {}
        found = vault.secret(_name_in(call), call.parameters.get("version"))
        attributes = content.get("attributes") or {}
        changed = replace(
            found,
            enabled=attributes.get("enabled", found.enabled),
            expires=attributes.get("exp", found.expires),
            not_before=attributes.get("nbf", found.not_before),
            content_type=content.get("contentType", found.content_type),
            tags=content.get("tags", found.tags),
        )
        return JSONResponse(_item(call, vault.change(changed)))

    def _delete(self, call: Call, vault: Vault) -> Response:
        return JSONResponse(_deleted_item(call, vault.delete(_name_in(call))))

    def _list_deleted(self, call: Call, vault: Vault) -> Response:
        return _page(call, [_deleted_item(call, deleted) for deleted in vault.all_deleted()])

    def _get_deleted(self, call: Call, vault: Vault) -> Response:
        return JSONResponse(_deleted_item(call, vault.deleted(_name_in(call))))

    def _purge(self, call: Call, vault: Vault) -> Response:
        vault.purge(_name_in(call))
        return Response(status_code=204)

    def _recover(self, call: Call, vault: Vault) -> Response:
        return JSONResponse(_item(call, vault.recover(_name_in(call))))


def _token_refused(error: TokenError) -> str:
    """Return the service's words for a token that it does not take.

    Those for an expired one have changed over the years; azure-sdk-for-python#12368 quotes these.
    """
    if isinstance(error, TokenExpiredError):
        return "[TokenExpired] Error validating token: IDX10223"
    return f"{'AKV10032' if isinstance(error, WrongTenantError) else 'AKV10022'}: {error}"


def _name_in(call: Call) -> str:
    name = call.parameters["name"]
    if not _NAME.fullmatch(name):
        raise Problem(400, "BadParameter", f"The request URI contains an invalid name: {name}")
    return name


def _not_found(call: Call) -> Problem:
    named = "/".join(call.parameters.values())
    return Problem(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {named} was not found in this key vault. If you recently deleted "
        "this secret you may be able to recover it using the correct recovery command.",
    )


def _name_is_taken(call: Call) -> Problem:
    return Problem(
        409,
        "Conflict",
        f"Secret {call.parameters['name']} is currently in a deleted but recoverable state, and "
        "its name cannot be reused; in this state, the secret can only be recovered or purged.",
        inner_code="ObjectIsDeletedButRecoverable",
    )


def _item(call: Call, secret: SecretVersion, *, versioned: bool = True) -> dict[str, Any]:
    """Write a secret without its value."""
    identifier = f"https://{call.host}/secrets/{secret.name}"
    attributes: dict[str, Any] = {
        "enabled": secret.enabled,
        "created": secret.created,
        "updated": secret.updated,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
    if secret.expires is not None:
        attributes["exp"] = secret.expires
    if secret.not_before is not None:
        attributes["nbf"] = secret.not_before
    item: dict[str, Any] = {
        "id": f"{identifier}/{secret.version}" if versioned else identifier,
        "attributes": attributes,
    }
    if secret.tags:
        item["tags"] = dict(secret.tags)
    if secret.content_type is not None:
        item["contentType"] = secret.content_type
    return item


def _bundle(call: Call, secret: SecretVersion) -> dict[str, Any]:
    """Write a secret with its value."""
    return {"value": secret.value, **_item(call, secret)}


def _deleted_item(call: Call, deleted: DeletedSecret) -> dict[str, Any]:
    latest = deleted.versions[-1]
    return {
        **_item(call, latest, versioned=False),
        "recoveryId": f"https://{call.host}/deletedsecrets/{latest.name}",
        "deletedDate": deleted.deleted,
        "scheduledPurgeDate": deleted.scheduled_purge,
    }


def _page(call: Call, items: Sequence[Mapping[str, Any]]) -> Response:
    """Write one page of a list, and the address of the next."""
    start = int(call.query.get("$skiptoken", "0"))
    size = min(int(call.query.get("maxresults", PAGE_SIZE)), PAGE_SIZE)
    end = start + size
    following = None
    if end < len(items):
        query = {
            "api-version": call.query["api-version"],
            "$skiptoken": end,
            "maxresults": size,
        }
        following = f"https://{call.host}{call.path}?{urlencode(query)}"
    return JSONResponse({"value": items[start:end], "nextLink": following})
