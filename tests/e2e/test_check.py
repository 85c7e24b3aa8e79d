"""`python -m remote_entry check`: each hop, its time, its cause and its fix."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.shell import Shell

from submitter.emulator import Emulator

HOPS = [
    *("variables", "identity", "vault", "secret 1", "secret 2"),
    *("sql dns", "sql tcp", "sql tls", "sql login", "sql query", "sql permissions"),
]
Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environ(azure: Emulator) -> dict[str, str]:
    """Return what a run on the emulator sees."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AZURE")}
    return {
        **mine,
        **azure.environ,
        "KEY_VAULT_URL": "https://kv-flights.vault.azure.net",
        "AZURE_SECRET_1": "sql-username",
        "AZURE_SECRET_2": "sql-password",
        "SQL_DATABASE": "flights",
    }


@pytest.fixture
def check(azure: Emulator, environ: Mapping[str, str]) -> Check:
    """Return what types the command; no secret may show in anything it prints."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "remote_entry", "check", *arguments],
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        password = azure.vault("kv-flights").secret("sql-password").value
        for secret in (password, "flights_reader", environ["AZURE_CLIENT_SECRET"], "canary"):
            assert secret not in done.stdout + done.stderr
        return done

    return run


def outcomes(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """Return hop → outcome of a JSON document."""
    return {hop["name"]: hop["outcome"] for hop in json.loads(done.stdout)["hops"]}


def failures(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """Return the hops that failed."""
    return [hop for hop in json.loads(done.stdout)["hops"] if hop["outcome"] == "failed"]


def test_healthy_way_is_one_line_a_hop(check: Check) -> None:
    """Each has its time; secrets show name and version."""
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line[9:27].strip() for line in lines] == HOPS
    assert all(line.startswith("ok ") and " s  " in line for line in lines)
    assert "AZURE_SECRET_2 → sql-password (version " in done.stdout
    assert "certificate of localhost by submitter emulator" in done.stdout


def test_json_has_the_same_hops(check: Check) -> None:
    """A program reads one document."""
    done = check("--json")
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode == 0
    assert [hop["name"] for hop in document["hops"]] == HOPS
    assert {hop["outcome"] for hop in document["hops"]} == {"ok"}
    assert all(hop["seconds"] >= 0 for hop in document["hops"])


@pytest.mark.parametrize(
    ("variables", "exit_code", "hop", "kind"),
    [
        ({"KEY_VAULT_URL": "http://x"}, 3, "variables", "settings"),
        ({"AZURE_CLIENT_SECRET": "canary"}, 4, "identity", "identity.wrong-secret"),
        ({"AZURE_CLIENT_ID": "nobody"}, 4, "identity", "identity.unknown-client"),
        ({"AZURE_TENANT_ID": "nowhere"}, 4, "identity", "identity.wrong-tenant"),
        ({"AZURE_CLIENT_CERTIFICATE_PATH": "none.pem"}, 4, "identity", "identity.certificate"),
        ({"X_FROM_WORKSPACE": "x"}, 4, "workspace", "identity.no-run"),
        ({"KEY_VAULT_URL": "https://localhost:1"}, 5, "vault", "vault.refused"),
        ({"AZURE_SECRET_2": "none"}, 5, "secret 2", "vault.missing"),
        ({"SQL_SERVER": "flights.invalid"}, 6, "sql dns", "sql.dns"),
        ({"SQL_SERVER": "localhost,1"}, 6, "sql tcp", "sql.refused"),
        ({"SSL_CERT_FILE": ""}, 6, "sql tls", "sql.tls"),
        ({"AZURE_SECRET_2": "sql-username"}, 6, "sql login", "sql.login-failed"),
        ({"SQL_DATABASE": "nope"}, 6, "sql login", "sql.database-refused"),
    ],
)
def test_broken_hop_is_named_with_its_fix(
    check: Check, variables: dict[str, str], exit_code: int, hop: str, kind: str
) -> None:
    """The first failing hop gives the exit code; what stands on it is skipped, never passed."""
    done = check("--json", **variables)
    assert done.returncode == exit_code, done.stdout + done.stderr
    [failed] = failures(done)
    assert (failed["name"], failed["kind"]) == (hop, kind)
    assert failed["hint"]
    if hop != "variables":
        assert outcomes(done)["sql permissions"] == "skipped"


def test_everything_that_is_wrong_shows_in_one_look(check: Check) -> None:
    """Two missing secrets and an unknown server are three failed hops."""
    done = check(
        "--json", AZURE_SECRET_1="none", AZURE_SECRET_2="nope", SQL_SERVER="flights.invalid"
    )
    assert [hop["name"] for hop in failures(done)] == ["secret 1", "secret 2", "sql dns"]
    assert done.returncode == 5


def test_login_with_a_token_is_checked_like_one_with_a_password(check: Check) -> None:
    """SQL_AUTH=service-principal: the identity opens the server too."""
    done = check("--json", SQL_AUTH="service-principal")
    assert outcomes(done)["sql query"] == "ok"


def test_secret_about_to_expire_is_a_warning(azure: Emulator, check: Check) -> None:
    """It works today."""
    vault = azure.vault("kv-flights")
    vault.set("expiring", "x", expires=int(time.time()) + 3 * 86400)
    done = check(AZURE_SECRET_3="expiring")
    assert done.returncode == 0, done.stdout
    assert "warning  secrets" in done.stdout
    assert "AZURE_SECRET_3 → expiring (latest version) expires in 2 days" in done.stdout


def test_check_is_a_job_like_any_other(shell: Shell) -> None:
    """In the container it meets what the training script would meet."""
    shell.edit("python train.py", "python -m remote_entry check")
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AZURE_CLIENT_SECRET ← training-client-secret" in done.stdout
    assert "SELECT on the whole database" in done.stdout
