"""What a run needs of the vaults, looked at from here: names, versions and dates, never a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from remote_entry.errors import SettingsError
from remote_entry.settings import SecretReference, Settings
from submitter.account import Account
from submitter.doctor.walk import Finding, Walk
from submitter.errors import InputError, NotFoundError
from submitter.job import Job
from submitter.secrets import list_secrets
from submitter.service import ask

_LONGEST_RUN = timedelta(days=30)  # azureml-core's own limit for a run that sets none
_REFUSED, _MISSING = (401, 403), 404
_ASK_THE_RUN = "add --remote: the run's identity is the one that counts"
_SHOWN = 8  # digits of a version


@dataclass(frozen=True)
class _Version:
    """What a vault tells of one version of a secret to whoever may list it."""

    name: str
    enabled: bool
    created: datetime
    expires: datetime | None


class _RefusedError(Exception):
    """The vault answered, and refused this machine or this identity."""


class Secrets:
    """Looks for the secrets that a job names.

    Args:
        job: The job.
        walk: Reports the hops.
    """

    def __init__(self, job: Job, walk: Walk) -> None:
        self._job = job
        self._walk = walk
        self._settings = Settings()
        self._versions: dict[str, Sequence[_Version]] = {}

    def go(self, account: Account | None, workspace: Any, registered: Mapping[str, str]) -> None:
        """Try each hop.

        Args:
            account: Who is signed in here; None if nobody is.
            workspace: The azureml-core `Workspace`; None if it did not open.
            registered: Variables that the registered environment brings.
        """
        went = self._walk.hop(
            "variables",
            lambda: self._read_variables(registered),
            fix="correct environment_variables of the job file",
            needs=("job file",),
        )
        if not went:
            self._walk.hop("secrets", str, fix="", needs=("variables",))
            return
        self._walk.warn("variables", self._settings.warnings)
        self._tell_of_the_run()
        if self._settings.from_workspace:
            self._walk.hop(
                "workspace secrets",
                lambda: self._look_into_workspace(workspace),
                fix="ask the workspace's owner for the role AzureML Data Scientist on it",
                needs=("workspace",),
            )
        if self._settings.secrets:
            self._look_into_vault(account)

    def _read_variables(self, registered: Mapping[str, str]) -> str:
        variables = {**registered, **self._job.environment_variables}
        try:
            self._settings = Settings.from_environ(variables)
        except SettingsError as error:
            where = self._job.where("environment_variables")
            raise Finding(
                f"{where}: {error.message}",
                kind="variables.wrong",
                fix="correct environment_variables of the job file, or the registered environment",
                exit_code=InputError.exit_code,
            ) from None
        return (
            f"{len(self._settings.secrets)} secrets of Key Vault, "
            f"{len(self._settings.from_workspace)} variables from the workspace"
        )

    def _tell_of_the_run(self) -> None:
        """Say who the run will be: whether that identity still works, nobody can see from here."""
        if self._settings.needs_identity:
            self._walk.skip(
                ["run identity"],
                f"{self._settings.identity.describe()}: whether it is accepted, and when its "
                "credential expires, cannot be seen from here; --remote tries it",
            )

    def _look_into_workspace(self, workspace: Any) -> str:
        names = self._settings.from_workspace
        there = set(list_secrets(workspace))
        missing = {variable: name for variable, name in names.items() if name not in there}
        if missing:
            told = ", ".join(f"{variable} ← {name}" for variable, name in missing.items())
            raise Finding(
                f"the vault of {workspace.name} has no secret for {told}",
                kind="workspace-secret.missing",
                fix=f"set it with: submitter secret set {next(iter(missing.values()))}",
                exit_code=NotFoundError.exit_code,
            )
        return ", ".join(f"{variable} ← {name}" for variable, name in names.items())

    def _look_into_vault(self, account: Account | None) -> None:
        host = urlsplit(self._settings.vault_url).netloc
        references = self._settings.secrets
        if not host:  # KEY_VAULT_URL_FROM_WORKSPACE
            names = ["vault", *(f"secret {reference.label}" for reference in references)]
            self._walk.skip(names, f"the vault's address is in the workspace; {_ASK_THE_RUN}")
            return
        may_look = self._walk.hop(
            "vault",
            lambda: self._ask_vault(host, account),
            fix=f"compare KEY_VAULT_URL with the vault's page; if it is private, {_ASK_THE_RUN}",
            needs=("sign-in",),
        )
        for reference in references:
            name = f"secret {reference.label}"
            if may_look and not self._versions:
                self._walk.skip([name], "because of vault")
                continue
            self._walk.hop(
                name, partial(self._look_at, reference, account), fix=_ASK_THE_RUN, needs=("vault",)
            )

    def _ask_vault(self, host: str, account: Account | None) -> str:
        """Ask for the first secret: what every other one would meet shows here."""
        try:
            self._list(self._settings.secrets[0], account)
        except _RefusedError as refused:
            raise Finding(
                f"{host} answers, and refuses this machine's identity: {refused}",
                kind="vault.refused-here",
                fix=f"{_ASK_THE_RUN}; to look from here, have the role Key Vault Reader on it",
                exit_code=0,
            ) from None
        return f"{host} answers"

    def _list(self, reference: SecretReference, account: Account | None) -> Sequence[_Version]:
        """Return the versions of a secret, without values; none if it is not there."""
        if reference.name in self._versions:
            return self._versions[reference.name]
        assert account is not None  # noqa: S101 - the hop stands on the sign-in
        host = urlsplit(self._settings.vault_url).netloc
        answer = ask(
            f"look for {reference.name} in {host}",
            lambda: _versions(self._settings.vault_url, account, reference.name),
        )
        if isinstance(answer, _RefusedError):
            raise answer
        self._versions[reference.name] = answer
        return answer

    def _look_at(self, reference: SecretReference, account: Account | None) -> str:
        try:
            versions = self._list(reference, account)
        except _RefusedError as refused:
            raise Finding(
                f"{reference}: {refused}", kind="vault.refused-here", fix=_ASK_THE_RUN, exit_code=0
            ) from None
        wanted = [each for each in versions if reference.version in {None, each.name}]
        if not wanted:
            raise _broken(
                f"{reference}: the vault has no such secret or version",
                "secret.missing",
                "check name and version in the vault's 'Secrets'; a deleted one must be recovered",
            )
        version = max(wanted, key=lambda each: each.created)
        told = reference.describe(f"version {version.name[:_SHOWN]}…")
        if not version.enabled:
            raise _broken(
                f"{told} is disabled", "secret.disabled", "enable it, or name another version"
            )
        return f"{told}{self._expiry(told, version.expires)}"

    def _expiry(self, told: str, expires: datetime | None) -> str:
        """Say when a secret expires; raise if that is before the run must have ended."""
        if expires is None:
            return ""
        left = expires - datetime.now(timezone.utc)
        timeout = self._job.limits.timeout
        longest = timedelta(seconds=timeout or 0)
        if left < longest:
            when = "has expired" if left < timedelta() else f"expires in {_readable(left)}"
            limit = f", and the job may take {_readable(longest)}" if timeout else ""
            raise _broken(
                f"{told} {when}{limit}",
                "secret.expires",
                "set a new version in the vault, or lower limits.timeout",
            )
        if timeout is None and left < _LONGEST_RUN:
            raise Finding(
                f"{told} expires in {_readable(left)}, and the job has no limits.timeout",
                kind="secret.expires",
                fix="set a new version in the vault, or limits.timeout in the job file",
                exit_code=0,
            )
        return f", good for {_readable(left)}"


def _versions(vault_url: str, account: Account, name: str) -> Sequence[_Version] | _RefusedError:
    """List a secret's versions; a refusal is returned, not raised: it is an answer."""
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient

    client = SecretClient(vault_url, account.credential(), retry_total=1)
    try:
        return [
            _Version(
                name=str(each.version),
                enabled=bool(each.enabled),
                created=each.created_on or datetime.min.replace(tzinfo=timezone.utc),
                expires=each.expires_on,
            )
            for each in client.list_properties_of_secret_versions(name)
        ]
    except HttpResponseError as error:
        if error.status_code == _MISSING:
            return []
        if error.status_code not in _REFUSED:
            raise
        # Four refusals of a vault share the status 403; only the inner code tells them apart.
        inner = getattr(getattr(error, "error", None), "innererror", None) or {}
        return _RefusedError(f"{error.status_code} {inner.get('code', 'Forbidden')}")


def _broken(message: str, kind: str, fix: str) -> Finding:
    return Finding(message, kind=kind, fix=fix, exit_code=NotFoundError.exit_code)


def _readable(span: timedelta) -> str:
    """Return a span as a person would say it."""
    if span >= timedelta(days=2):
        return f"{span.days} days"
    if span >= timedelta(hours=2):
        return f"{span.total_seconds() / 3600:.0f} hours"
    return f"{span.total_seconds() / 60:.0f} minutes"
