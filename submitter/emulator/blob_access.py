"""Who may touch which blob: a signed address, the account's key, or a token of Entra ID.

What a token's owner may do is a matter of roles for data, apart from those for the account:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory and
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage. All containers
are alike.
"""

from collections.abc import Mapping
from types import MappingProxyType

from submitter.emulator.account_key import AccountKey, is_signed_with_a_key
from submitter.emulator.entra import LOGIN_HOST, Entra, TokenError
from submitter.emulator.roles import Role
from submitter.emulator.service import Call, Problem
from submitter.emulator.shared_access import SharedAccess, refused

AUDIENCE = "https://storage.azure.com"
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
READ_CONTAINER = f"{_CONTAINERS}/read"
CREATE_CONTAINER = f"{_CONTAINERS}/write"
READ = f"{_CONTAINERS}/blobs/read"
# What stands for each letter of a signed address.
_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "r": READ,
        "w": f"{_CONTAINERS}/blobs/write",
        "c": f"{_CONTAINERS}/blobs/write",
        "a": f"{_CONTAINERS}/blobs/add/action",
        "d": f"{_CONTAINERS}/blobs/delete",
    }
)
STORAGE_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "Storage Blob Data Owner": Role((f"{_CONTAINERS}/*",)),
        "Storage Blob Data Contributor": Role(
            (
                *(f"{_CONTAINERS}/{verb}" for verb in ("delete", "read", "write")),
                *(f"{_CONTAINERS}/blobs/{verb}" for verb in ("delete", "read", "write")),
                f"{_CONTAINERS}/blobs/add/action",
            )
        ),
        "Storage Blob Data Reader": Role((READ_CONTAINER, READ)),
        "none": Role(),
    }
)


class BlobAccess:
    """The three ways into a storage account.

    Args:
        host: The host name of the account.
        shared: Checks signed addresses.
        key: The account's key, which opens everything.
        entra: Validates tokens; its principals carry their roles.
    """

    def __init__(self, host: str, shared: SharedAccess, key: AccountKey, entra: Entra) -> None:
        self._host = host
        self._shared = shared
        self._key = key
        self._entra = entra

    def blob_of(self, call: Call, needed: str) -> tuple[str, bool]:
        """Return the blob that a call may touch.

        Args:
            call: The request.
            needed: Permissions, in letters of `racwd`, of which one is enough.

        Returns:
            `container/path`, and whether the container may be missing: not that of an address
            which the account itself has signed.

        Raises:
            Problem: The caller may not touch it.
        """
        if is_signed_with_a_key(call):
            self._key.check(call)
        elif call.bearer_token is not None:
            self._check_token(call, {_ACTIONS[letter] for letter in needed})
        else:
            return self._shared.blob_of(call, needed), False
        return call.path.lstrip("/"), True

    def check_container(self, call: Call, action: str) -> None:
        """Let a call that is about a whole container pass, or raise a `Problem`."""
        if is_signed_with_a_key(call):
            self._key.check(call)
        elif call.bearer_token is not None:
            self._check_token(call, {action})
        else:
            raise refused("The emulator opens containers with the account's key or a token only.")

    def _check_token(self, call: Call, actions: set[str]) -> None:
        """Let a token pass whose owner may do one of the actions."""
        try:
            claims = self._entra.validate(
                call.bearer_token or "", AUDIENCE, f"https://{self._host}"
            )
        except TokenError as error:
            raise self._challenge(str(error)) from None
        principal = self._entra.principals.get(str(claims.get("appid")))
        role = STORAGE_ROLES[principal.storage_role if principal else "none"]
        if not any(role.permits(action) for action in actions):
            raise Problem(
                403,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            )

    def _challenge(self, detail: str) -> Problem:
        """Return the refusal of a token, with where to get another ("Bearer challenge")."""
        authority = f"https://{LOGIN_HOST}/{self._entra.tenant_id}/oauth2/authorize"
        challenge = f"Bearer authorization_uri={authority} resource_id={AUDIENCE}"
        return Problem(
            401,
            "InvalidAuthenticationInfo",
            "Server failed to authenticate the request. Please refer to the information in the "
            f"www-authenticate header. {detail}",
            headers={"WWW-Authenticate": challenge},
        )
