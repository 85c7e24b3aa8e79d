"""Puts the services together: everything that exists between start and stop of an emulator."""

import datetime as dt
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from submitter.emulator.account_key import AccountKey
from submitter.emulator.application import Application
from submitter.emulator.arm import HOST as ARM_HOST
from submitter.emulator.arm import ResourceManager
from submitter.emulator.azureml.access import Access
from submitter.emulator.azureml.artifacts import Artifacts
from submitter.emulator.azureml.computes import Computes
from submitter.emulator.azureml.datastores import Datastores
from submitter.emulator.azureml.discovery import Discovery
from submitter.emulator.azureml.environments import Environments
from submitter.emulator.azureml.events import Events
from submitter.emulator.azureml.execution import Execution
from submitter.emulator.azureml.history import History
from submitter.emulator.azureml.metrics import Metrics
from submitter.emulator.azureml.models import Models
from submitter.emulator.azureml.provisioning import Provisioning
from submitter.emulator.azureml.registry import ModelRegistry
from submitter.emulator.azureml.runs import Runs
from submitter.emulator.azureml.secrets import WorkspaceSecrets
from submitter.emulator.azureml.snapshots import Snapshots
from submitter.emulator.blob_access import BlobAccess
from submitter.emulator.blobs import BlobStore
from submitter.emulator.certificates import Certificates
from submitter.emulator.compute import Compute
from submitter.emulator.config import Config, PrincipalConfig, SecretConfig
from submitter.emulator.entra import LOGIN_HOST, Entra, Principal
from submitter.emulator.errors import ConfigError
from submitter.emulator.faults import Faults
from submitter.emulator.journal import Journal
from submitter.emulator.keyvault import KeyVault
from submitter.emulator.managed_identity import ManagedIdentities
from submitter.emulator.reach import reach, run_environment
from submitter.emulator.server import Server
from submitter.emulator.service import Service
from submitter.emulator.shared_access import SharedAccess
from submitter.emulator.sql import build_sql_server, load_tables
from submitter.emulator.state import StateFolder
from submitter.emulator.storage import Storage
from submitter.emulator.vault import Vault, generate_secret
from submitter.emulator.workspace import Workspace

if TYPE_CHECKING:
    from submitter.emulator.sqlserver import SqlServer

logger = logging.getLogger(__name__)


class Machinery:
    """Every server, store and worker of a running emulator.

    Args:
        config: What to play.
        kept_state: A folder for the state, or None for a temporary one.
        python: The interpreter of the runs.
        faults: Rules that make services fail.
        journal: Where everything seen is noted.
    """

    def __init__(
        self,
        config: Config,
        kept_state: Path | None,
        python: str,
        faults: Faults,
        journal: Journal,
    ) -> None:
        self._principals = [_principal(principal) for principal in config.service_principals]
        self._identities = [
            Principal(
                name=identity.name,
                client_id=identity.client_id,
                vault_permissions=frozenset(identity.vault_permissions),
                storage_role=identity.storage_role,
            )
            for identity in config.managed_identities
        ]
        self.vaults = _fill_vaults(config, self._principals)
        self.state = StateFolder(kept_state)
        self.history = History()
        self.sql: SqlServer | None = None
        # Ends in the reverse order what was started: runs before the servers they talk to.
        self._cleanup = ExitStack()
        self._at_stop("temporary state", self.state.remove)
        try:
            self._start(config, python, faults, journal)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; a part that fails to end is logged and keeps no other alive."""
        self._cleanup.close()

    def _at_stop(self, part: str, end: Callable[[], None]) -> None:
        self._cleanup.callback(_end, part, end)

    def _start(self, config: Config, python: str, faults: Faults, journal: Journal) -> None:
        certificates = Certificates()
        authority = self.state.path / "ca.pem"
        certificates.write_authority(authority)
        entra = Entra(config.tenant_id, [*self._principals, *self._identities])
        workspace = _workspace(config)
        sql_port = self._start_sql_server(config, entra, certificates)
        context = certificates.server_context(_certificate_names(workspace))
        server = Server(context, journal.egress)
        self._at_stop("HTTP server", server.stop)
        reached_by = reach(server.proxy_url, authority)
        self.identities = ManagedIdentities(self._identities, entra, server.plain_url)

        access = Access(workspace, entra)
        self.blobs = blobs = BlobStore(self.state.path / "storage")
        for name in config.storage.containers:
            blobs.create_container(name)
        shared_access = SharedAccess(workspace.blob_host)
        account_key = AccountKey(workspace.storage_account)
        blob_access = BlobAccess(workspace.blob_host, shared_access, account_key, entra)
        artifacts = Artifacts(access, self.history, blobs, shared_access)
        snapshots = Snapshots(access, blobs, shared_access)
        self.metrics = Metrics(access)
        self.environments = Environments(access)
        self.compute = compute = Compute({}, self.state.path / "runs", python)
        self._at_stop("compute targets", compute.stop)
        self.computes = computes = Computes(access, config.computes, compute)
        provisioning = Provisioning(workspace, computes)
        sql_name = config.sql.server if config.sql else None
        complete = run_environment(reached_by, sql_name, sql_port)
        execution = Execution(
            access,
            self.history,
            self.environments,
            snapshots,
            artifacts,
            compute,
            complete,
            lambda target: self.identities.environment(computes.identity_of(target)),
        )
        services: tuple[Service, ...] = (
            entra.service(),
            ResourceManager(workspace, entra, provisioning.routes()).service(),
            KeyVault(self.vaults, entra).service(),
            Storage(workspace.blob_host, blobs, blob_access).service(),
            Discovery(access).service(),
            computes.service(),
            self.environments.service(),
            WorkspaceSecrets(access, self.vaults[workspace.vault]).service(),
            Datastores(access, blobs, account_key).service(),
            Models(access, ModelRegistry()).service(),
            snapshots.service(),
            artifacts.service(),
            self.metrics.service(),
            execution.service(),
            Runs(access, self.history, artifacts).service(),
            Events(access, self.history, execution.cancel).service(),
        )
        # Behind the gateway are Azure's names only.
        self.application = Application((*services, self.identities.service()), faults, journal)
        server.start(
            self.application, lambda host: any(service.plays(host) for service in services)
        )
        self.environ = {
            **reached_by,
            **_sign_in(config.tenant_id, self._principals[0]),
            "HOME": str(self._private_home()),
            "KEY_VAULT_URL": f"https://{workspace.vault}.vault.azure.net",
            **({"SQL_SERVER": f"localhost,{sql_port}"} if self.sql else {}),
        }

    def _start_sql_server(self, config: Config, entra: Entra, certificates: Certificates) -> int:
        """Start the SQL Server if one is played; return its port, or 0."""
        if config.sql is None:
            return 0
        first_vault = next(iter(self.vaults.values()))
        self.sql = build_sql_server(config.sql, first_vault, entra, certificates)
        self._at_stop("SQL Server", self.sql.stop)
        self.sql.start()
        load_tables(self.sql, config.sql)
        return int(self.sql.port)

    def _private_home(self) -> Path:
        """Make a HOME without the caches and sign-ins of the laptop's user."""
        home = self.state.path / "home"
        home.mkdir(mode=0o700)
        return home


def _end(part: str, end: Callable[[], None]) -> None:
    """End a part; whoever stops an emulator can do nothing about one that fails to end."""
    try:
        end()
    except Exception:
        logger.exception("the emulator's %s did not end cleanly", part)


def _sign_in(tenant_id: str, principal: Principal) -> Mapping[str, str]:
    """Return the variables that azure-identity and azureml-core sign in from."""
    secret = principal.client_secret or ""
    return {
        "AZURE_TENANT_ID": tenant_id,
        "AZURE_CLIENT_ID": principal.client_id,
        "AZURE_CLIENT_SECRET": secret,
        "AZUREML_SERVICE_PRINCIPAL_TENANT_ID": tenant_id,
        "AZUREML_SERVICE_PRINCIPAL_ID": principal.client_id,
        "AZUREML_SERVICE_PRINCIPAL_PASSWORD": secret,
    }


def _workspace(config: Config) -> Workspace:
    return Workspace(
        subscription_id=config.workspace.subscription_id,
        resource_group=config.workspace.resource_group,
        name=config.workspace.name,
        region=config.workspace.region,
        workspace_id=str(uuid.uuid4()),
        tenant_id=config.tenant_id,
        vault=next(iter(config.vaults)),
    )


def _certificate_names(workspace: Workspace) -> tuple[str, ...]:
    return (
        LOGIN_HOST,
        ARM_HOST,
        workspace.api_host,
        "*.vault.azure.net",
        "*.blob.core.windows.net",
        "localhost",
    )


def _principal(config: PrincipalConfig) -> Principal:
    certificate = None
    if config.certificate is not None:
        try:
            certificate = x509.load_pem_x509_certificate(config.certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The certificate of service principal '{config.name}' cannot be read from "
                f"{config.certificate}: {type(error).__name__}. A PEM file is expected."
            ) from error
    return Principal(
        name=config.name,
        client_id=config.client_id,
        client_secret=config.client_secret or f"{uuid.uuid4()}~{os.urandom(8).hex()}",
        certificate=certificate,
        secret_expired=config.expired,
        vault_permissions=frozenset(config.vault_permissions),
        role=config.role,
        storage_role=config.storage_role,
    )


def _fill_vaults(config: Config, principals: Sequence[Principal]) -> Mapping[str, Vault]:
    client_secrets = {principal.name: principal.client_secret for principal in principals}
    vaults = {}
    for vault_name, secrets in config.vaults.items():
        vault = vaults[vault_name] = Vault(vault_name)
        for name, secret in secrets.items():
            value = secret.value
            if secret.client_secret_of is not None:
                value = client_secrets[secret.client_secret_of]
            vault.set(
                name,
                generate_secret() if value is None else value,
                version=secret.version,
                enabled=secret.enabled,
                expires=_expiry(secret),
            )
    return vaults


def _expiry(secret: SecretConfig) -> int | None:
    """Return when a secret expires, in seconds since 1970."""
    if secret.expires_in_days is not None:
        return int(time.time() + secret.expires_in_days * 86_400)
    expires = secret.expires
    if expires is None or isinstance(expires, int):
        return expires
    if not isinstance(expires, dt.datetime):
        expires = dt.datetime(expires.year, expires.month, expires.day)  # noqa: DTZ001 - set below
    return int(expires.replace(tzinfo=expires.tzinfo or dt.timezone.utc).timestamp())
