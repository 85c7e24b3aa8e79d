"""The real ManagedIdentityCredential on the emulator's endpoint, here and inside of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyodbc
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from remote_entry.sql.odbc import find_driver
from submitter.emulator import Emulator, EmulatorError

TRAINING = "77777777-0000-0000-0000-000000000001"
OTHER = "77777777-0000-0000-0000-000000000002"
VAULT = "https://kv-local.vault.azure.net"
CONFIG = {
    "managed_identities": [
        {"name": "training", "client_id": TRAINING},
        {"name": "other", "client_id": OTHER, "vault_permissions": []},
    ],
    "vaults": {"kv-local": {"sql-password": "canary"}},
    "computes": {"cpu-cluster": {"identity": "training"}, "without": {}},
    "sql": {"logins": {"sql_reader": {"secret": "sql-password"}}},
}
SCRIPT = """\
import os
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

given = [name for name in ("MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID")
         if name in os.environ]
print("given", len(given))
if given:
    credential = ManagedIdentityCredential(client_id=os.environ["DEFAULT_IDENTITY_CLIENT_ID"])
    value = SecretClient("https://kv-local.vault.azure.net", credential).get_secret("sql-password")
    print("read", len(value.value), "characters")
"""
SUBMIT = """\
import sys
from azureml.core import Experiment, ScriptRunConfig, Workspace

config = ScriptRunConfig("source", script="main.py", compute_target=sys.argv[1])
run = Experiment(Workspace.from_config(), "identity").submit(config)
run.wait_for_completion()
run.download_file("user_logs/std_log.txt", "log.txt")
"""


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """Start one emulator, and check at its end that nothing went past it."""
    with Emulator(CONFIG) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.fixture(autouse=True)
def _environment(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point this process at the emulator, as a run with the identity, and leave no fault."""
    for name, value in {**azure.environ, **azure.managed_identity("training")}.items():
        monkeypatch.setenv(name, value)
    yield
    azure.faults.clear()


def read_secret(client_id: str | None = TRAINING) -> str | None:
    """Read the secret as the managed identity."""
    with (
        ManagedIdentityCredential(client_id=client_id, retry_total=0) as credential,
        SecretClient(VAULT, credential) as client,
    ):
        return client.get_secret("sql-password").value


def test_the_vault_takes_the_token() -> None:
    """No secret is needed to read a secret."""
    assert read_secret() == "canary"


@pytest.mark.parametrize("client_id", [OTHER, None])
def test_an_identity_that_the_target_has_not_is_refused(client_id: str | None) -> None:
    """Another identity's client id, and none at all."""
    with pytest.raises(ClientAuthenticationError, match="Token not found"):
        read_secret(client_id)


def test_a_wrong_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint serves the processes of its node only."""
    monkeypatch.setenv("MSI_SECRET", "wrong")
    with pytest.raises(ClientAuthenticationError, match="'secret' is missing or wrong"):
        read_secret()


def test_an_identity_has_its_own_permissions(
    azure: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token alone opens no vault."""
    for name, value in azure.managed_identity("other").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="does not have secrets get permission"):
        read_secret(OTHER)


def test_the_sql_server_takes_the_token(azure: Emulator) -> None:
    """Nor is a password needed."""
    with ManagedIdentityCredential(client_id=TRAINING) as credential:
        token = credential.get_token("https://database.windows.net/.default").token
    text = f"Driver={find_driver()};Server={azure.environ['SQL_SERVER']};Database=local"
    encoded = token.encode("utf-16-le")
    attribute = len(encoded).to_bytes(4, "little") + encoded
    with pyodbc.connect(text, attrs_before={1256: attribute}, timeout=5) as connection:
        assert connection.execute("SELECT SUSER_SNAME()").fetchval() == TRAINING


def test_an_unknown_name_is_a_mistake_of_the_tests(azure: Emulator) -> None:
    """There are no variables for an identity that is not played."""
    with pytest.raises(KeyError):
        azure.managed_identity("none")
    with pytest.raises(EmulatorError, match="not running"):
        Emulator(CONFIG).managed_identity("training")


def test_a_run_on_its_compute_target_has_the_identity(azure: Emulator, tmp_path: Path) -> None:
    """And a run elsewhere has none of its variables."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "main.py").write_text(SCRIPT)
    azure.write_workspace_config(tmp_path)
    laptop = {name: value for name, value in os.environ.items() if not name.startswith("MSI_")}
    logs = []
    for target in ("cpu-cluster", "without"):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SUBMIT, target],
            env=laptop, cwd=tmp_path, check=True, timeout=90, capture_output=True,
        )  # fmt: skip
        logs.append((tmp_path / "log.txt").read_text().split("\n"))
    assert logs == [["given 3", "read 6 characters", ""], ["given 0", ""]]
