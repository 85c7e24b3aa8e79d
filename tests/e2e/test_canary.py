"""A secret value appears in nothing that a whole journey leaves behind."""

import base64
import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from support.shell import CLIENT_ID, CONFIG, FLIGHTS, Shell

from submitter.emulator import Emulator

CLIENT_SECRET = "Canary~Client.Secret-8f3a"
PASSWORD = "canary;{pass}@%'\"word 9d\u00fc7"
USER = "canary_login_51c0"
HIDDEN = (CLIENT_SECRET, PASSWORD, USER)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder in which the emulator leaves all it ever wrote."""
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def azure(state: Path) -> Iterator[Emulator]:
    """Start an emulator whose client secret is a canary."""
    principal = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    sql = {**CONFIG["sql"], "logins": {USER: {"secret": "sql-password"}}}
    vaults = {"kv-flights": {"unrelated": "x"}}
    (state / "flights.csv").write_text(FLIGHTS)
    sql["databases"] = {"flights": {"tables": {"flights": {"csv": str(state / "flights.csv")}}}}
    config = {"service_principals": [principal], "vaults": vaults, "sql": sql}
    with Emulator(config, state=state / "state") as emulator:
        yield emulator


def forms(value: str) -> list[bytes]:
    """Return a value as it would look in the places where values end up."""
    raw = value.encode()
    texts = [value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]]
    texts += [value.replace("}", "}}"), base64.b64encode(raw).decode()]
    return [text.encode() for text in texts]


def found_in(content: bytes) -> list[str]:
    """Return which hidden values a content shows."""
    return [value for value in HIDDEN if any(form in content for form in forms(value))]


def test_nothing_is_left_behind(shell: Shell, azure: Emulator, state: Path) -> None:
    """Not in a file, a log, an argv, a run record, an environment, a snapshot or an exception."""
    shell.write("Dockerfile", "FROM base\n")
    shell.write(
        "train.py",
        textwrap.dedent(
            """\
            import base64, json, os, subprocess, sys
            from pathlib import Path
            from urllib.parse import quote
            from azureml.core import Run
            from remote_entry import connect, get_secret, read_frame

            password = get_secret("AZURE_SECRET_2")
            print("plain", password.value, get_secret(1).value)
            print("json", json.dumps({"p": password.value}), file=sys.stderr)
            print("url", quote(password.value), quote(password.value, safe=""))
            print("base64", base64.b64encode(password.value.encode()).decode())
            print("braces", password.value.replace("}", "}}"))
            print("objects", password, [password], connect(), connect().url, vars(connect()))
            print("variables", dict(os.environ))
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    print("argv", process.joinpath("cmdline").read_bytes())
                except OSError:
                    pass
            for process in ("self", str(os.getppid())):
                print("environ", Path(f"/proc/{process}/environ").read_bytes())
            subprocess.run([sys.executable, "-c", "import os; print('child', dict(os.environ))"])
            Run.get_context().log("rows", len(read_frame("SELECT * FROM dbo.flights")))
            Path("outputs/note.txt").write_text(repr([password, connect()]))
            read_frame("SELECT nothing FROM dbo.flights WHERE carrier = :p", {"p": password.value})
            """
        ),
    )
    canaries = {"DB_USER": USER, "DB_PWD": PASSWORD}
    pairs = ["sql-username=DB_USER", "sql-password=DB_PWD"]
    secret = "training-client-secret=AZURE_CLIENT_SECRET"
    assert shell("secret", "set-many", *pairs, secret, **canaries).returncode == 0
    assert shell("secret", "list").returncode == 0
    assert shell("env", "register", "flights", "--folder", ".").returncode == 0
    assert shell("plan", "job.yml").returncode == 0
    refused = shell("submit", "job.yml", AZURE_CLIENT_SECRET=f"{PASSWORD} wrong")
    assert refused.returncode == 3
    shell("--debug", "submit", "job.yml", AZURE_CLIENT_SECRET=f"{PASSWORD} wrong")
    done = shell("submit", "job.yml", **canaries)
    assert done.returncode == 6, done.stdout + done.stderr  # the last query is wrong on purpose
    assert "plain *** ***" in done.stdout
    assert "Invalid column name 'nothing'" in done.stdout
    run_id = azure.runs[-1].run_id
    assert shell("runs", "download", run_id, "results", "--prefix", "").returncode == 0
    assert shell("runs", "show", run_id).returncode == 0
    shell.write("train.py", f"# {PASSWORD}")  # proves that the search below finds what is there

    shown = "\n".join(shell.transcript).encode()
    assert found_in(shown) == []
    records = repr([azure.runs, azure.environments, azure.requests])
    assert found_in(records.encode()) == []
    # A SQL Server knows who signed in to it, but not with what.
    assert found_in(repr(list(azure.sql.events)).encode()) == [USER]
    guilty = [path for path in files_under(state) if found_in(path.read_bytes())]
    assert guilty == []
    guilty = [path.name for path in files_under(shell.folder) if found_in(path.read_bytes())]
    assert guilty == ["train.py"]


def files_under(folder: Path) -> list[Path]:
    """Return every file in a folder, hidden ones included."""
    return [
        Path(current) / name
        for current, _, names in os.walk(folder)
        for name in names
        if (Path(current) / name).is_file()
    ]
