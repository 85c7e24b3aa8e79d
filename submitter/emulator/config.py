"""What the emulator plays: the typed form of `emulator.yml`.

Every part has a default; `Config()` alone is a workspace with one service principal, one vault, one
compute target and one empty database.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict

_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)
_SECRET_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_VAULT_NAME = re.compile(r"[0-9a-zA-Z-]{3,24}")
_VERSION = re.compile(r"[0-9a-f]{32}")
_MEMORY = re.compile(r"[1-9][0-9]*[kmg]")
_CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")
VAULT_PERMISSIONS = ("get", "list", "set", "delete", "recover", "purge")


StorageRole = Literal[
    "Storage Blob Data Owner", "Storage Blob Data Contributor", "Storage Blob Data Reader", "none"
]


@dataclass(frozen=True)
class WorkspaceConfig:
    """The Azure ML workspace and where it is."""

    __pydantic_config__ = _STRICT

    subscription_id: str = "22222222-2222-2222-2222-222222222222"
    resource_group: str = "rg-local"
    name: str = "ws-local"
    region: str = "eastus"


@dataclass(frozen=True)
class PrincipalConfig:
    """A service principal.

    Attributes:
        client_id: The application's id.
        name: A label for people.
        client_secret: Left out, a random one is made at every start.
        certificate: A PEM file with the certificate it may sign in with.
        expired: Whether its secret counts as expired (AADSTS7000222).
        vault_permissions: What it may do with secrets; all vaults alike.
        role: What it may do in the workspace: a built-in role of Azure.
        storage_role: What it may do with blobs: a built-in role too, which no other one includes.
    """

    __pydantic_config__ = _STRICT

    client_id: str
    name: str = "submitter"
    client_secret: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    expired: bool = False
    vault_permissions: tuple[str, ...] = ("get", "list", "set", "delete")
    role: Literal["Owner", "Contributor", "AzureML Data Scientist", "Reader", "none"] = (
        "Contributor"
    )
    storage_role: StorageRole = "none"

    def __post_init__(self) -> None:
        _check_vault_permissions(self.vault_permissions)


@dataclass(frozen=True)
class ManagedIdentityConfig:
    """A user-assigned managed identity: it has no credential, a compute target has it.

    Attributes:
        name: What a compute target calls it by.
        client_id: Its client id.
        vault_permissions: What it may do with secrets; all vaults alike.
        storage_role: What it may do with blobs.
    """

    __pydantic_config__ = _STRICT

    name: str
    client_id: str
    vault_permissions: tuple[str, ...] = ("get",)
    storage_role: StorageRole = "none"

    def __post_init__(self) -> None:
        _check_vault_permissions(self.vault_permissions)


@dataclass(frozen=True)
class SecretConfig:
    """A secret that a vault holds from the start.

    Attributes:
        value: Its value.
        generate: Make a random value at every start instead.
        client_secret_of: Or hold the client secret of the service principal of this name.
        version: Its version, 32 hexadecimal digits; left out, a random one.
        enabled: A disabled secret cannot be read.
        expires: When it expires: a date, or seconds since 1970.
        expires_in_days: Or in how many days from the start of the emulator; less than 0 is past.
    """

    __pydantic_config__ = _STRICT

    value: str | None = field(default=None, repr=False)
    generate: bool = False
    client_secret_of: str | None = None
    version: str | None = None
    enabled: bool = True
    expires: int | dt.datetime | dt.date | None = None
    expires_in_days: float | None = None

    def __post_init__(self) -> None:
        if self.expires is not None and self.expires_in_days is not None:
            raise ValueError("a secret has either 'expires' or 'expires_in_days'")
        if [self.value is not None, self.generate, self.client_secret_of is not None].count(
            True
        ) != 1:
            raise ValueError("a secret has one of 'value', 'generate: true' and 'client_secret_of'")
        if self.version is not None and not _VERSION.fullmatch(self.version):
            raise ValueError("a secret's version is 32 hexadecimal digits in lower case")


@dataclass(frozen=True)
class ComputeConfig:
    """A compute target.

    Attributes:
        vm_size: The size of its nodes.
        min_nodes: How many it keeps when there is nothing to do.
        max_nodes: How many nodes it grows to; runs that find no free nodes wait in a queue.
        vm_priority: `dedicated`, or `lowpriority`, whose nodes can be preempted.
        node_quota: How many nodes the subscription's quota lets it have; None for enough.
        provisioning_state: `Succeeded`, or what became of making it.
        identity: The managed identity that its runs have, by name.
        kind: Whether its runs are a `process` of this machine or a `container`.
        image: The image of its containers.
        memory: How much memory each container may use, such as `2g`.
    """

    __pydantic_config__ = _STRICT

    vm_size: str = "STANDARD_DS2_V2"
    min_nodes: int = 0
    max_nodes: int = 2
    vm_priority: Literal["dedicated", "lowpriority"] = "dedicated"
    node_quota: int | None = None
    provisioning_state: Literal["Succeeded", "Creating", "Failed", "Deleting"] = "Succeeded"
    identity: str | None = None
    kind: Literal["process", "container"] = "process"
    image: str | None = None
    memory: str = "2g"

    def __post_init__(self) -> None:
        if (self.kind == "container") != (self.image is not None):
            raise ValueError("an 'image' goes with 'kind: container', and with nothing else")
        if not _MEMORY.fullmatch(self.memory):
            raise ValueError("memory is a number of bytes with k, m or g after it, such as 2g")
        if self.max_nodes < 1:
            raise ValueError("max_nodes must be at least 1")
        if not 0 <= self.min_nodes <= self.max_nodes:
            raise ValueError("min_nodes must be between 0 and max_nodes")
        if self.node_quota is not None and self.node_quota < 0:
            raise ValueError("node_quota must be at least 0")


@dataclass(frozen=True)
class StorageConfig:
    """The storage account.

    Attributes:
        containers: Containers that are there from the start, besides Azure ML's own.
    """

    __pydantic_config__ = _STRICT

    containers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.containers:
            if not _CONTAINER_NAME.fullmatch(name):
                raise ValueError(
                    f"container name '{name}' must be 3 to 63 lower-case letters, digits and single"
                    " hyphens"
                )


@dataclass(frozen=True)
class LoginConfig:
    """A SQL login.

    Attributes:
        password: Its password.
        secret: Or the name of the secret of the first vault that holds it.
        permissions: What it is granted, such as `SELECT`, `SELECT ON dbo.flights` or
            `SELECT ON SCHEMA::dbo`; None for the owner of every database.
    """

    __pydantic_config__ = _STRICT

    password: str | None = field(default=None, repr=False)
    secret: str | None = None
    permissions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if (self.password is None) == (self.secret is None):
            raise ValueError("a login has either a password or a secret")


@dataclass(frozen=True)
class TableConfig:
    """Where the rows of a table come from: exactly one of a CSV file, a Parquet file, a package.

    Attributes:
        csv: A CSV file, compressed or not.
        parquet: A Parquet file.
        package: An installed Python package, which is not imported.
        file: The file inside that package.
    """

    __pydantic_config__ = _STRICT

    csv: Path | None = None
    parquet: Path | None = None
    package: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        sources = [self.csv, self.parquet, self.package]
        if len([source for source in sources if source is not None]) != 1:
            raise ValueError("a table has exactly one of 'csv', 'parquet' and 'package'")
        if (self.package is None) != (self.file is None):
            raise ValueError("'package' and 'file' go together")


@dataclass(frozen=True)
class DatabaseConfig:
    """A database and the tables loaded into it at the start."""

    __pydantic_config__ = _STRICT

    tables: Mapping[str, TableConfig] = field(default_factory=dict)


@dataclass(frozen=True)
class SqlConfig:
    """A SQL Server.

    Attributes:
        server: The host name that runs know it by.
        logins: SQL logins by name.
        databases: Databases by name.
    """

    __pydantic_config__ = _STRICT

    server: str = "sql-local.database.windows.net"
    logins: Mapping[str, LoginConfig] = field(
        default_factory=lambda: {"sql_reader": LoginConfig(secret="sql-password")}  # noqa: S106 - a name
    )
    databases: Mapping[str, DatabaseConfig] = field(
        default_factory=lambda: {"local": DatabaseConfig()}
    )


def _check_vault_permissions(permissions: Sequence[str]) -> None:
    unknown = sorted(set(permissions) - set(VAULT_PERMISSIONS))
    if unknown:
        raise ValueError(
            f"vault_permissions knows {', '.join(VAULT_PERMISSIONS)}, not {', '.join(unknown)}"
        )


def _expand_shorthand(secret: Any) -> Any:
    """Read `name: value` as `name: {value: value}`."""
    if isinstance(secret, str):
        return {"value": secret}
    if not isinstance(secret, (Mapping, SecretConfig)):
        raise ValueError("a secret's value is text; write it in quotes")  # noqa: TRY004 - pydantic's
    return secret


Secrets = Mapping[str, Annotated[SecretConfig, BeforeValidator(_expand_shorthand)]]


def _default_vaults() -> Mapping[str, Secrets]:
    secrets = {
        "sql-username": SecretConfig(value="sql_reader"),
        "sql-password": SecretConfig(generate=True),
    }
    return MappingProxyType({"kv-local": secrets})


@dataclass(frozen=True)
class Config:
    """Everything the emulator plays.

    Attributes:
        workspace: The Azure ML workspace.
        tenant_id: The Entra tenant.
        service_principals: Who may sign in; the first is the one `Emulator.environ` signs in as.
        managed_identities: What a compute target may have for its runs to sign in as.
        vaults: Secrets by name by vault; the first vault is the workspace's.
        computes: Compute targets by name.
        storage: The storage account.
        sql: The SQL Server, or None for none.
    """

    __pydantic_config__ = _STRICT

    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    tenant_id: str = "11111111-1111-1111-1111-111111111111"
    service_principals: tuple[PrincipalConfig, ...] = (
        PrincipalConfig(client_id="44444444-4444-4444-4444-444444444444"),
    )
    managed_identities: tuple[ManagedIdentityConfig, ...] = ()
    vaults: Mapping[str, Secrets] = field(default_factory=_default_vaults)
    computes: Mapping[str, ComputeConfig] = field(
        default_factory=lambda: {"cpu-cluster": ComputeConfig()}
    )
    storage: StorageConfig = field(default_factory=StorageConfig)
    sql: SqlConfig | None = field(default_factory=SqlConfig)

    def __post_init__(self) -> None:
        if not self.service_principals:
            raise ValueError("at least one service principal is needed")
        if not self.vaults:
            raise ValueError("at least one vault is needed")
        identities = {identity.name for identity in self.managed_identities}
        for name, compute in self.computes.items():
            if compute.identity not in (None, *identities):
                raise ValueError(
                    f"compute target '{name}' is to have the managed identity "
                    f"'{compute.identity}', and there is none of that name under "
                    "managed_identities"
                )
        principals = {principal.name for principal in self.service_principals}
        for vault, secrets in self.vaults.items():
            if not _VAULT_NAME.fullmatch(vault):
                raise ValueError(
                    f"vault name '{vault}' must be 3 to 24 letters, digits and hyphens"
                )
            for name, secret in secrets.items():
                if secret.client_secret_of not in (None, *principals):
                    raise ValueError(
                        f"secret '{name}' is to hold the client secret of "
                        f"'{secret.client_secret_of}', and there is no such service principal; "
                        f"there are {', '.join(sorted(principals))}"
                    )
                if not _SECRET_NAME.fullmatch(name):
                    raise ValueError(
                        f"secret name '{name}' must be 1 to 127 letters, digits and hyphens"
                    )
