"""A project in a folder, and a shell that types `submitter` commands there."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from submitter.emulator import Emulator
from support.forked_run import run_submitter

CLIENT_ID = "44444444-4444-4444-4444-444444444444"
FLIGHTS = "month,carrier,arr_delay\n1,AA,5\n1,B6,-3\n2,AA,40\n2,UA,NA\n"
EXPIRED_CLIENT_ID = "55555555-5555-5555-5555-555555555555"
EXPIRED_CLIENT_SECRET = "was-valid-once"
CONFIG: Mapping[str, Any] = {
    "service_principals": [
        {"name": "training", "client_id": CLIENT_ID},
        {
            "name": "old",
            "client_id": EXPIRED_CLIENT_ID,
            "client_secret": EXPIRED_CLIENT_SECRET,
            "expired": True,
        },
    ],
    "vaults": {
        "kv-flights": {
            "sql-username": "flights_reader",
            "sql-password": {"generate": True},
            "training-client-secret": {"client_secret_of": "training"},
        }
    },
    "sql": {
        "server": "flights.database.windows.net",
        "logins": {"flights_reader": {"secret": "sql-password", "permissions": ["SELECT"]}},
    },
}
JOB = f"""\
experiment_name: flight-delays
command: python train.py
code: .
environment: {{name: flights, image: ubuntu}}
compute: cpu-cluster
environment_variables:
  AZURE_TENANT_ID: 11111111-1111-1111-1111-111111111111
  AZURE_CLIENT_ID: {CLIENT_ID}
  AZURE_CLIENT_SECRET_FROM_WORKSPACE: training-client-secret
  KEY_VAULT_URL: https://kv-flights.vault.azure.net
  AZURE_SECRET_1: sql-username
  AZURE_SECRET_2: sql-password
  SQL_SERVER: flights.database.windows.net
  SQL_DATABASE: flights
"""
TRAIN = """\
from remote_entry import read_frame

frame = read_frame("SELECT carrier, arr_delay FROM dbo.flights WHERE month = :m", {"m": 1})
print("read", len(frame), "flights, late by", int(frame["arr_delay"].sum()))
"""


@dataclass
class Shell:
    """Types commands in a project folder, as a user does.

    Attributes:
        azure: The emulator that the commands meet.
        folder: The project.
        transcript: Everything that was typed and printed so far.
    """

    azure: Emulator
    folder: Path
    transcript: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """This process's variables, without sign-ins of its own, pointed at the emulator."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("AZURE")}
        return {**mine, **self.azure.environ, "CI": "1"}

    def __call__(
        self, *arguments: str, typed: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run `submitter` with arguments and standard input; more variables by keyword.

        Its process is forked from one that has imported the SDKs: imports take longer than most
        commands. `start` and `python` begin from nothing.
        """
        environ = {**self.environ, **variables}
        done = run_submitter(arguments, environ, self.folder, typed)
        self.transcript += [" ".join(arguments), done.stdout, done.stderr]
        return done

    def nothing_of_the_job_sent(self, before: int) -> bool:
        """Tell whether, after so many requests, none went beyond sign-in and workspace."""
        return {each.service for each in self.azure.requests[before:]} <= {"entra", "arm"}

    def python(self, program: str) -> str:
        """Run a Python program in the project; return its standard output."""
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `submitter` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "submitter", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str) -> None:
        """Replace a part of the job file."""
        text = (self.folder / "job.yml").read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"the job file has no {old!r}")
        self.write("job.yml", text.replace(old, new))


@contextmanager
def flights_emulator(folder: Path, **changes: Any) -> Iterator[Emulator]:
    """Run an emulator with four flights in its database; its state stays in the folder."""
    sql = {**CONFIG["sql"], "databases": flights_tables(folder)}
    with Emulator({**CONFIG, "sql": sql, **changes}, state=folder / "state") as azure:
        yield azure


def flights_tables(folder: Path) -> dict[str, Any]:
    """Write the four flights into a folder; return the database that holds them."""
    (folder / "flights.csv").write_text(FLIGHTS)
    return {"flights": {"tables": {"flights": {"csv": str(folder / "flights.csv")}}}}


def project(azure: Emulator, folder: Path) -> Shell:
    """Make a project with a job and a script, and a shell in it."""
    folder.mkdir()
    azure.write_workspace_config(folder)
    shell = Shell(azure, folder)
    shell.write("job.yml", JOB)
    shell.write("train.py", TRAIN)
    return shell
