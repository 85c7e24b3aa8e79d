"""The credential service: the workspace's vault, as `Workspace.get_default_keyvault` sees it."""

from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.vault import SecretIsDeleted, SecretNotFound, Vault
from submitter.emulator.workspace import WORKSPACE_PATH


class WorkspaceSecrets:
    """Reads and writes the workspace's vault for anyone who may use the workspace.

    Args:
        access: The workspace's front.
        vault: The workspace's vault.
    """

    def __init__(self, access: Access, vault: Vault) -> None:
        self._access = access
        self._vault = vault

    def service(self) -> Service:
        """Return the routes of the credential service."""
        base = f"/credential/v2.0{WORKSPACE_PATH}/secrets"
        named = f"{base}/{{name}}"
        return self._access.service(
            "secrets",
            Route("GET", base, self._list),
            Route("PUT", base, self._set),
            Route("GET", named, self._get),
            Route("DELETE", named, self._delete),
            Route("PUT", f"{base}:putbatch", self._set_batch),
            Route("POST", f"{base}:getbatch", self._get_batch),
            Route("POST", f"{base}:deletebatch", self._delete_batch),
        )

    def _list(self, _call: Call) -> Response:
        return listed([{"name": secret.name} for secret in self._vault.current()])

    def _get(self, call: Call) -> Response:
        name = call.parameters["name"]
        found = self._read(name)
        if found is None:
            raise _not_found(name)
        return JSONResponse(found)

    def _get_batch(self, call: Call) -> Response:
        names = _names_in(call)
        found = {name: self._read(name) for name in names}
        return JSONResponse(
            {
                "secrets": [secret for secret in found.values() if secret is not None],
                "notFoundSecrets": [name for name, secret in found.items() if secret is None],
            }
        )

    def _set(self, call: Call) -> Response:
        self._write(call.json or {})
        return Response()

    def _set_batch(self, call: Call) -> Response:
        for secret in (call.json or {}).get("secrets", []):
            self._write(secret)
        return Response()

    def _delete(self, call: Call) -> Response:
        self._remove(call.parameters["name"])
        return Response()

    def _delete_batch(self, call: Call) -> Response:
        for name in _names_in(call):
            self._remove(name)
        return Response()

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            secret = self._vault.secret(name)
        except SecretNotFound:
            return None
        return {"name": name, "value": secret.value, "contentType": secret.content_type}

    def _write(self, secret: dict[str, Any]) -> None:
        name = str(secret.get("name", ""))
        value = secret.get("value")
        if not isinstance(value, str):
            raise user_error(f"Secret '{name}' has no value.", 400)
        try:
            self._vault.set(name, value, content_type=secret.get("contentType"))
        except SecretIsDeleted:
            raise Problem(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name "
                "cannot be reused; in this state, the secret can only be recovered or purged.",
            ) from None

    def _remove(self, name: str) -> None:
        try:
            self._vault.delete(name)
        except SecretNotFound:
            raise _not_found(name) from None


def _not_found(name: str) -> Problem:
    return user_error(f"Secret '{name}' was not found in the workspace's key vault.")


def _names_in(call: Call) -> list[str]:
    return [str(secret["name"]) for secret in (call.json or {}).get("secrets", [])]
