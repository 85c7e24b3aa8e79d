"""The workspace's own vault: set, list and delete secrets, never show one."""

from collections.abc import Mapping
from typing import Any

from submitter.errors import InputError, NotFoundError
from submitter.service import ask

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_LONGEST_NAME = 127


def set_secrets(workspace: Any, values: Mapping[str, str]) -> None:
    """Create secrets, or give them a new version.

    Args:
        workspace: The azureml-core `Workspace`.
        values: Secret name → value.

    Raises:
        InputError: A name that Key Vault does not take, or an empty value.
        SignInError: The identity may not write secrets.
    """
    for name, value in values.items():
        check_name(name)
        if not value:
            raise InputError(f"The value for the secret {name} is empty; nothing was set.")
    ask(
        f"set {', '.join(values)} in the vault of {workspace.name}",
        lambda: workspace.get_default_keyvault().set_secrets(dict(values)),
    )


def list_secrets(workspace: Any) -> list[str]:
    """Return the names of the secrets in the workspace's vault, sorted."""
    found = ask(
        f"list the secrets in the vault of {workspace.name}",
        lambda: workspace.get_default_keyvault().list_secrets(),
    )
    return sorted(secret["name"] for secret in found)


def delete_secret(workspace: Any, name: str) -> None:
    """Delete a secret.

    Raises:
        NotFoundError: The vault has no secret of that name.
    """
    check_name(name)
    known = list_secrets(workspace)
    if name not in known:
        raise NotFoundError(
            f"There is no secret {name} in the vault of {workspace.name}. "
            f"It has: {', '.join(known) or 'none'}."
        )
    ask(
        f"delete {name} from the vault of {workspace.name}",
        lambda: workspace.get_default_keyvault().delete_secret(name),
    )


def check_name(name: str) -> None:
    """Refuse a secret name that Key Vault would not take.

    Raises:
        InputError: Not 1 to 127 letters, digits and dashes
            (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates).
    """
    if not name or len(name) > _LONGEST_NAME or not _LETTERS.issuperset(name):
        raise InputError(
            # Not quoted: somebody may have put the value where the name belongs.
            f"That is no secret name: Key Vault takes 1 to {_LONGEST_NAME} letters, digits and '-'."
        )
