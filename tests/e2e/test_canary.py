"""A secret value appears in nothing that a whole journey leaves behind."""

import base64
import inspect
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
LOGIN_FROM_WORKSPACE = (
    "  SQL_USERNAME_FROM_WORKSPACE: sql-username\n  SQL_PASSWORD_FROM_WORKSPACE: sql-password\n"
)
PLANTED = "Planted~Control-77c1"
PROCESSES = ("argv of all", "own environ", "supervisor's environ", "child's environ")

IMPORTS_OF_FORMS = "import base64, json\nfrom urllib.parse import quote\n\n\n"

# Searches the run's own processes, where the masked log cannot hide anything from the search. It
# knows what to look for in hexadecimal digits and writes down names alone.
SEARCH = """\
import json, os, subprocess, sys
from pathlib import Path

digits = json.loads(Path(__file__).with_name("sought.json").read_text())
SOUGHT = {name: bytes.fromhex(value).decode() for name, value in digits.items()}


def read(process, kind):
    try:
        return Path(f"/proc/{process}/{kind}").read_bytes()
    except OSError:  # it has ended, or it belongs to somebody else
        return b""


def names_in(content):
    return [name for name, value in SOUGHT.items() if any(f in content for f in forms(value))]


planted = [sys.executable, "-c", "print(flush=True); input()", SOUGHT["planted"]]
child = subprocess.Popen(planted, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()  # before its first line it may have no argv yet
supervisor = os.getppid()
assert b"remote_entry" in read(supervisor, "cmdline")
everyone = [folder.name for folder in Path("/proc").glob("[0-9]*")]
found = {
    "argv of all": names_in(b"\\n".join(read(process, "cmdline") for process in everyone)),
    "own environ": names_in(read("self", "environ")),
    "supervisor's environ": names_in(read(supervisor, "environ")),
    "child's environ": names_in(read(child.pid, "environ")),
}
child.communicate(b"\\n")
Path("outputs/found.json").write_text(json.dumps(found))
"""


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
    texts += [repr(raw)[2:-1], value.replace("}", "}}"), base64.b64encode(raw).decode()]
    return [text.encode() for text in texts]


def found_in(content: bytes) -> list[str]:
    """Return which hidden values a content shows."""
    return [value for value in HIDDEN if any(form in content for form in forms(value))]


def test_nothing_is_left_behind(
    shell: Shell, azure: Emulator, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a file, a log, an argv, a run record, an environment, a snapshot or an exception."""
    shell.write("Dockerfile", "FROM base\n")
    shell.edit("  AZURE_SECRET_1", f"  PLANTED: {PLANTED}\n  AZURE_SECRET_1")
    shell.edit("  SQL_SERVER", f"{LOGIN_FROM_WORKSPACE}  SQL_SERVER")
    sought = dict(zip(("client secret", "password", "user"), HIDDEN, strict=True))
    digits = {name: value.encode().hex() for name, value in {**sought, "planted": PLANTED}.items()}
    shell.write("sought.json", json.dumps(digits))
    shell.write(
        "train.py",
        textwrap.dedent(
            """\
            import base64, json, os, sys
            from pathlib import Path
            from urllib.parse import quote
            from azureml.core import Run
            from remote_entry import connect, get_secret, read_frame

            password = get_secret("AZURE_SECRET_2")
            assert get_secret("SQL_PASSWORD").value == password.value
            print("plain", password.value, get_secret(1).value)
            print("json", json.dumps({"p": password.value}), file=sys.stderr)
            print("url", quote(password.value), quote(password.value, safe=""))
            print("base64", base64.b64encode(password.value.encode()).decode())
            print("bytes", password.value.encode(), [f'"{password.value}"'.encode()])
            print("braces", password.value.replace("}", "}}"))
            print("objects", password, [password], connect(), connect().url, vars(connect()))
            print("variables", dict(os.environ))
            Run.get_context().log("rows", len(read_frame("SELECT * FROM dbo.flights")))
            Path("outputs/note.txt").write_text(repr([password, connect()]))
            import search
            read_frame("SELECT nothing FROM dbo.flights WHERE carrier = :p", {"p": password.value})
            """
        ),
    )
    shell.write("search.py", f"{IMPORTS_OF_FORMS}{inspect.getsource(forms)}\n\n{SEARCH}")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    unused_since = temporary.stat().st_mtime_ns
    monkeypatch.setenv("TMPDIR", str(temporary))  # where the laptop stages snapshots
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
    found = json.loads((shell.folder / "results/outputs/found.json").read_text())
    assert found == {place: ["planted"] for place in PROCESSES}
    assert temporary.stat().st_mtime_ns > unused_since
    assert list(temporary.iterdir()) == []
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
