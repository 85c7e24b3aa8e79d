"""Who a run can be: a certificate or a managed identity; and a login without a password."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.certificates import private, self_signed

from submitter.emulator import Emulator

CERTIFIED = "88888888-0000-0000-0000-000000000001"
KEY_PASSWORD = "canary;{key}"
READ = """\
import os
from remote_entry import connect, get_secret
assert "AZURE_CLIENT_SECRET" not in os.environ
with connect().connect() as connection:
    print("signed in as", connection.exec_driver_sql("SELECT SUSER_SNAME()").scalar())
"""
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an application's certificate, and a file with its encrypted key too."""
    folder = tmp_path_factory.mktemp("certificate")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = self_signed(key, -1, 1)
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(private(key, KEY_PASSWORD) + certificate)
    return folder / "key.pem"


@pytest.fixture(scope="module")
def azure(key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Play a tenant with an application of each kind and a managed identity."""
    config = {
        "service_principals": [
            {"client_id": "44444444-4444-4444-4444-444444444444"},
            {
                "name": "certified",
                "client_id": CERTIFIED,
                "certificate": key_file.with_name("certificate.pem"),
            },
        ],
        "managed_identities": [{"name": "training", "client_id": "99999999-0000-0000-0000-1"}],
        "vaults": {"kv-test": {"api-key": "canary-api-key"}},
        "sql": {"databases": {"flights": {}}},
    }
    with Emulator(config, state=tmp_path_factory.mktemp("state")) as emulator:
        yield emulator
        assert emulator.egress == []
        assert emulator.unknown_routes == []


@pytest.fixture
def remote_entry(azure: Emulator) -> Command:
    """Return what runs `python -m remote_entry` with variables; nothing secret may be printed."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        mine = {name: value for name, value in os.environ.items() if not name.startswith("AZURE")}
        done = subprocess.run(
            [sys.executable, "-m", "remote_entry", *arguments],
            env={
                **mine,
                **azure.environ,
                "KEY_VAULT_URL": "https://kv-test.vault.azure.net",
                "SQL_DATABASE": "flights",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for secret in ("canary", azure.environ["AZURE_CLIENT_SECRET"], "eyJ"):
            assert secret not in done.stdout + done.stderr
        return done

    return run


def certified(key_file: Path) -> Mapping[str, str]:
    """Return the variables of the application with a certificate."""
    return {
        "AZURE_CLIENT_ID": CERTIFIED,
        "AZURE_CLIENT_SECRET": "",
        "AZURE_CLIENT_CERTIFICATE_PATH": str(key_file),
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": KEY_PASSWORD,
    }


def managed(azure: Emulator) -> Mapping[str, str]:
    """Return the variables of a compute target's run that is told to use its identity."""
    return {
        **azure.managed_identity("training"),
        "REMOTE_ENTRY_IDENTITY": "managed-identity",
        "AZURE_CLIENT_SECRET": "",
    }


def test_certificate_opens_vault_and_database(remote_entry: Command, key_file: Path) -> None:
    """The private key's password is a credential: it is neither shown nor handed over."""
    variables = {"AZURE_SECRET_1": "api-key", "SQL_AUTH": "service-principal"}
    done = remote_entry("run", "--", sys.executable, "-c", READ, **certified(key_file), **variables)
    assert done.returncode == 0, done.stderr
    assert f"signed in as {CERTIFIED}" in done.stdout
    assert "AZURE_SECRET_1 → api-key (version " in done.stderr


def test_certificate_with_a_wrong_password_is_told_apart(
    remote_entry: Command, key_file: Path
) -> None:
    """The file is there and cannot be opened."""
    variables = {**certified(key_file), "AZURE_CLIENT_CERTIFICATE_PASSWORD": "canary-wrong"}
    done = remote_entry("check", AZURE_SECRET_1="api-key", **variables)
    assert done.returncode == 4
    assert "(AZURE_CLIENT_CERTIFICATE_PATH) cannot be used" in done.stdout
    assert "Next: it must be PEM or PKCS12" in done.stdout


def test_pain_5_a_managed_identity_opens_vault_and_database(
    azure: Emulator, remote_entry: Command
) -> None:
    """No secret stands anywhere: the compute vouches for the run."""
    variables = {"AZURE_SECRET_1": "api-key", "SQL_AUTH": "managed-identity"}
    done = remote_entry("run", "--", sys.executable, "-c", READ, **managed(azure), **variables)
    assert done.returncode == 0, done.stderr
    assert "signed in as 99999999-0000-0000-0000-1" in done.stdout


@pytest.mark.parametrize("lacking", ["the endpoint", "the identity"])
def test_absent_managed_identity_is_told(
    azure: Emulator, remote_entry: Command, lacking: str
) -> None:
    """Where there is none, the message says what to assign and which variable names it."""
    variables = dict(managed(azure))
    if lacking == "the endpoint":
        # azure-identity then asks the machine's metadata service, here a port that nobody holds.
        del variables["MSI_ENDPOINT"], variables["MSI_SECRET"]
        variables["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://localhost:1"
    else:
        variables["MANAGED_IDENTITY_CLIENT_ID"] = "nobody"
    done = remote_entry("check", AZURE_SECRET_1="api-key", REMOTE_ENTRY_DEADLINE="8", **variables)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "no managed identity here, or not the one that was asked for" in done.stdout
    assert "MANAGED_IDENTITY_CLIENT_ID" in done.stdout


def test_every_process_of_the_command_gets_a_token(remote_entry: Command) -> None:
    """The supervisor makes tokens, so nobody below it holds what they are made from."""
    code = (
        "import multiprocessing\n"
        "from remote_entry import connect\n"
        "def read(number):\n"
        "    with connect().connect() as connection:\n"
        "        return connection.exec_driver_sql(f'SELECT {number}').scalar()\n"
        "with multiprocessing.get_context('fork').Pool(4) as pool:\n"
        "    print(sum(pool.map(read, range(8), chunksize=1)))\n"
    )
    done = remote_entry("run", "--", sys.executable, "-c", code, SQL_AUTH="service-principal")
    assert (done.returncode, done.stdout) == (0, "28\n"), done.stderr


def test_supervisors_refusal_reaches_the_command(remote_entry: Command) -> None:
    """Where there is no token, the script's error says why, as the supervisor heard it."""
    done = remote_entry(
        *("run", "--", sys.executable, "-c", READ),
        SQL_AUTH="service-principal",
        AZURE_CLIENT_SECRET="canary-wrong",
    )
    assert done.returncode == 4
    assert "Entra ID refused AZURE_CLIENT_SECRET" in done.stderr


def test_process_without_the_socket_is_told_what_to_pass(remote_entry: Command) -> None:
    """Python's subprocess closes what it does not know."""
    code = (
        "import subprocess, sys\n"
        f"done = subprocess.run([sys.executable, '-c', {READ!r}], close_fds=True)\n"
        "sys.exit(done.returncode)"
    )
    done = remote_entry("run", "--", sys.executable, "-c", code, SQL_AUTH="service-principal")
    assert done.returncode == 3
    assert "pass_fds=" in done.stderr
