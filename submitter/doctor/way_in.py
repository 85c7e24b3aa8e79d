"""The first hops: where the configuration is, who is signed in, the workspace, and the role."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from submitter.account import PRINCIPAL, Account, find_account
from submitter.backends.azureml_core import AzureMLCore
from submitter.doctor.walk import Finding, Walk
from submitter.errors import SignInError
from submitter.service import ask
from submitter.workspace import WorkspaceAddress, open_workspace, read_config, require_config

SUBMIT = "Microsoft.MachineLearningServices/workspaces/experiments/runs/submit/action"
REGISTER = "Microsoft.MachineLearningServices/workspaces/environments/write"
READ = "Microsoft.MachineLearningServices/workspaces/environments/read"
_MEANINGS = {SUBMIT: "submit runs", REGISTER: "register environments", READ: "read environments"}
# What decides where this machine's requests go and who makes them; shown by name only.
_VARIABLES = (
    *(*PRINCIPAL, "AZURE_CONFIG_DIR"),
    *("HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SUBMITTER_TIMEOUT", "CI"),
)


class WayIn:
    """Goes from this machine's configuration to the workspace.

    Args:
        address: Which workspace was asked for.
        environ: This machine's variables.
        walk: Reports the hops.

    Attributes:
        account: Who is signed in; None before the hop `sign-in`, or if that failed.
        workspace: The azureml-core `Workspace`; None before the hop `workspace`, or likewise.
    """

    def __init__(self, address: WorkspaceAddress, environ: Mapping[str, str], walk: Walk) -> None:
        self._address = address
        self._environ = environ
        self._walk = walk
        self.account: Account | None = None
        self.workspace: Any = None

    def go(self) -> None:
        """Try the hops up to the workspace."""
        self._walk.hop(
            "configuration",
            self._find_configuration,
            fix="download config.json from the workspace's page in Azure ML studio into .azureml/",
        )
        self._walk.hop(
            "sign-in",
            self._sign_in,
            fix="mend the variable that is named, or unset all three and run: az login",
        )
        self._walk.hop(
            "workspace",
            self._open,
            fix="compare subscription, resource group and name with the workspace's page in Azure "
            "ML studio; if they are right, ask its owner for the role AzureML Data Scientist",
            needs=("configuration", "sign-in"),
        )

    def check_role(self, *, registers: bool) -> None:
        """Try whether the identity may do what a submit does, as far as its role tells."""
        actions = (SUBMIT, REGISTER if registers else READ)
        self._walk.hop(
            "role",
            lambda: self._look_for_permissions(actions),
            fix="try again; should it stay so, submit: the service itself will tell",
            needs=("workspace",),
        )

    def _find_configuration(self) -> str:
        variables = [name for name in _VARIABLES if self._environ.get(name)]
        told = f"variables of this machine: {', '.join(variables) or 'none'}"
        if self._address.name:
            where = f"{self._address.name} in {self._address.resource_group}, from the options"
            return f"{where}\n{told}"
        path = require_config(self._address.config or Path.cwd())
        _, group, workspace = read_config(path)
        return f"{workspace} in {group}, from {path}\n{told}"

    def _sign_in(self) -> str:
        account = find_account(self._environ)
        authentication = account.authentication()
        ask(f"sign in as {account.description}", authentication.get_authentication_header)
        self.account = account
        return account.description

    def _open(self) -> str:
        self.workspace = open_workspace(self._address, account=self.account)
        return f"{self.workspace.name} in {self.workspace.location} answers"

    def _look_for_permissions(self, actions: tuple[str, ...]) -> str:
        try:
            missing = AzureMLCore(self.workspace).missing_permissions(actions)
        except SignInError:
            raise Finding(
                "this identity may not look up its own permissions; only a submit will tell",
                kind="role.unknown",
                fix="nothing, if submitting works; else ask for the role AzureML Data Scientist",
                exit_code=0,
            ) from None
        if missing:
            raise Finding(
                "this identity may not "
                f"{' or '.join(f'{_MEANINGS[action]} ({action})' for action in missing)}",
                kind="role.insufficient",
                fix="ask the workspace's owner for the role AzureML Data Scientist on it",
                exit_code=SignInError.exit_code,
            )
        return f"it may {' and '.join(_MEANINGS[action] for action in actions)}"
