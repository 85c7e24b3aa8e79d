"""A submitted job lands in a blob container, as itself, and its tokens are seen nowhere."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from support.shell import CLIENT_ID, CONFIG, Shell, flights_emulator

from submitter.emulator import Emulator, TokenFault

LAKE = "abfss://lake@emulatorstore.dfs.core.windows.net/nightly"
SPEC = f"""\
name: flights
query: SELECT carrier, month, arr_delay FROM dbo.flights
partition: {{column: month, parts: 2, connections: 2}}
to: {LAKE}
"""  # noqa: S608 - no SQL of anybody else's
TRAIN = f"""\
import os, subprocess, sys
import pandas as pd
from remote_entry.extract import committed_parts, open_part

extract = [sys.executable, "-m", "remote_entry", "extract", "extract.yml"]
subprocess.run(extract, check=True, close_fds=False)
frames = [pd.read_parquet(open_part(part)) for part in committed_parts("{LAKE}/flights")]
print("read back", sum(map(len, frames)), "rows in", len(frames), "parts")
print(dict(os.environ))
"""
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")  # how a JWT begins


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start an emulator with a container that one of two principals may write to."""
    principals = [
        {**CONFIG["service_principals"][0], "storage_role": "Storage Blob Data Contributor"},
        {"name": "stranger", "client_id": "7" * 8, "client_secret": "the stranger's"},
    ]
    folder = tmp_path_factory.mktemp("emulator")
    storage = {"containers": ["lake"]}
    with flights_emulator(folder, service_principals=principals, storage=storage) as emulator:
        yield emulator
        assert (emulator.egress, emulator.unknown_routes) == ([], [])


def test_a_job_lands_in_a_container(azure: Emulator, shell: Shell) -> None:
    """Its workers too, and what it starts reads there; the answer to a request may be lost."""
    shell.edit("  SQL_DATABASE", "  STORAGE_AUTH: service-principal\n  SQL_DATABASE")
    shell.write("extract.yml", SPEC)
    shell.write("train.py", TRAIN)
    azure.faults.add("storage", "PUT .*blocklist", lose_answer=True)
    before = len(azure.requests)
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flights: 4 rows in 2 parts, up to entry 1 of version 1; receipt" in done.stdout
    assert "read back 4 rows in 2 parts" in done.stdout
    assert any(each.service == "storage" for each in azure.requests[before:])
    assert shell("runs", "download", "@last", "results").returncode == 0
    [file] = (shell.folder / "results").rglob("flights-00000001-*.json")
    receipt = json.loads(file.read_text())
    assert (receipt["folder"], receipt["rows"]) == (f"{LAKE}/flights", 4)
    no_token_in(shell)


def no_token_in(shell: Shell) -> None:
    """Look through everything that was printed, logged, kept as an output or landed."""
    assert TOKEN.search(jwt.encode({"aud": "https://storage.azure.com"}, "key" * 16))
    assert not TOKEN.search("\n".join(shell.transcript))
    for folder in (shell.folder / "results", shell.azure._started.state.path / "storage"):
        for path in folder.rglob("*"):
            if path.is_file():
                assert not TOKEN.search(path.read_text(errors="replace")), path


def supervised(shell: Shell, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Extract under a supervisor, without a job."""
    environ = {
        **shell.environ,
        "AZURE_SECRET_1": "sql-username",
        "AZURE_SECRET_2": "sql-password",
        "SQL_DATABASE": "flights",
        "REMOTE_ENTRY_DEBUG": "1",
        **variables,
    }
    extract = [sys.executable, "-m", "remote_entry", "extract", "extract.yml"]
    done = subprocess.run(
        [sys.executable, "-m", "remote_entry", "run", "--", *extract],
        cwd=shell.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    shell.transcript += [done.stdout, done.stderr]
    return done


def test_who_may_not_is_told_what_to_do(azure: Emulator, shell: Shell) -> None:
    """The role that is missing is named, and no token even where a traceback is asked for."""
    shell.write("extract.yml", SPEC.replace("name: flights", "name: others"))
    (shell.folder / "results").mkdir()
    azure.faults.add("storage", problem="AuthorizationPermissionMismatch", times=None)
    done = supervised(shell, STORAGE_AUTH="service-principal")
    azure.faults.clear()
    assert done.returncode == 7
    assert f"in {LAKE}/others failed: the run's identity may not do that there" in done.stderr
    assert "assign it 'Storage Blob Data Contributor' on the container" in done.stderr
    assert "Traceback" in done.stderr
    no_token_in(shell)


def test_tokens_end_in_the_middle(azure: Emulator, shell: Shell) -> None:
    """The supervisor hands out others: one that has ended at once, then those of a few seconds."""
    shell.write("extract.yml", SPEC.replace("name: flights", "name: outlived"))
    (shell.folder / "results").mkdir()
    azure.faults.add("entra", "POST", status=None, delay=0.0)  # the vault's token is right
    azure.faults.add("entra", "POST", token=TokenFault(seconds=-60))
    azure.faults.add("entra", "POST", token=TokenFault(seconds=30), times=None)
    before = len(azure.requests)
    done = supervised(shell, STORAGE_AUTH="service-principal")
    azure.faults.clear()
    assert done.returncode == 0, done.stderr
    refused = [each for each in azure.requests[before:] if each.status == 401]
    assert [each.service for each in refused].count("storage") == 1
    assert CLIENT_ID not in done.stdout
    assert Path(shell.folder / "outputs" / "extract").is_dir()
    no_token_in(shell)
