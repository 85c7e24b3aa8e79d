"""The journey with canary secrets that the leak tests look at: everything that could show one.

A submitted run that writes down what its process shows, a command that prints its secrets in every
encoding, an extract, a schedule, refusals, and errors without a supervisor.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml

from submitter.emulator import Emulator
from support.canaries import API_KEY, CLIENT_SECRET, PASSWORD, PLANTED, SIGNING_KEY, USER
from support.files import files_under
from support.shell import CLIENT_ID, CONFIG, JOB, Shell, flights_tables, project

SCRIPTS = Path(__file__).parents[1] / "e2e" / "leak_scripts"
GIT_HOST = "git.example.org"
SECTION = re.compile(rb"\[\[(.*?)\n(.*?)\]\]", re.DOTALL)

INSIDE = {  # what a run's process shows of itself → what proves that it was looked at
    "debug log of a connection": "SELECT carrier",
    "error of SQLAlchemy": "Invalid column name 'nothing'",
    "repr of the url": "mssql+pyodbc",
    "repr of the engine": "Engine(",
    "vars of the engine": "QueuePool",
    "repr of a secret": "sql-password",
    "vars, pickle and copy of a secret": "cannot be pickled",
    "what the library holds": "sql-password",
    "variables of the command": PLANTED,
    "argv of every process": PLANTED,
    "environ of the supervisor": PLANTED,
    "environ of the command": PLANTED,
    "environ of a child": PLANTED,
    "files at home": PLANTED,
    "files of the run": PLANTED,
}
FAILURES = {  # name → what is called, with which variables, and the kind of error that it gives
    "wrong client secret": (
        *("secret", {"AZURE_CLIENT_SECRET": f"{PASSWORD} wrong"}, "identity.wrong-secret"),
    ),
    "missing secret": ("secret", {"AZURE_SECRET_2": "no-such-secret"}, "vault.missing"),
    "missing vault": ("secret", {"KEY_VAULT_URL": "https://kv.vault.azure.net"}, "vault.missing"),
    "refused login": ("login", {"AZURE_SECRET_2": "signing-key"}, "sql.login-failed"),
    "missing database": ("login", {"SQL_DATABASE": "nowhere"}, "sql.database-refused"),
}
RUN_VARIABLES = {
    **yaml.safe_load(JOB)["environment_variables"],
    "AZURE_CLIENT_SECRET": CLIENT_SECRET,
    "AZURE_SECRET_SIGNING_KEY": "signing-key",
    "PLANTED": PLANTED,
}
del RUN_VARIABLES["AZURE_CLIENT_SECRET_FROM_WORKSPACE"]
del RUN_VARIABLES["SQL_SERVER"]  # outside of runs the emulator's own address stands there
NIGHT = """\
experiment_name: nightly
command: echo good night
environment: {name: many, image: ubuntu}
compute: cpu-cluster
"""


@dataclass(frozen=True)
class Journey:
    """What the journey left behind.

    Attributes:
        places: Name → content of each place that is searched.
        printed: Name → content of each section of the supervised command's output.
        output: All of that output.
        failures: Name → what each failure shows, by kind.
    """

    places: dict[str, bytes]
    printed: dict[str, bytes]
    output: bytes
    failures: dict[str, dict[str, str]]


@contextmanager
def canaries(folder: Path) -> Iterator[Emulator]:
    """Start an emulator whose secrets are canaries."""
    vaults = {"kv-flights": {"signing-key": SIGNING_KEY}}
    logins = {USER: {"secret": "sql-password"}}
    sql = {**CONFIG["sql"], "logins": logins, "databases": flights_tables(folder)}
    principal = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    config = {"service_principals": [principal], "vaults": vaults, "sql": sql}
    with Emulator(config, state=folder / "state") as emulator:
        yield emulator


def go_all_ways(folder: Path) -> Journey:
    """Submit, supervise, extract, fail and be refused, everything written into a folder."""
    with canaries(folder) as azure:
        return _go(azure, folder)


def _go(azure: Emulator, folder: Path) -> Journey:
    shell = project(azure, folder / "a project")
    for script in (*SCRIPTS.iterdir(), Path(__file__).with_name("value_encodings.py")):
        shutil.copy(script, shell.folder)
    sought = [text.encode().hex() for text in (PLANTED, CLIENT_SECRET)]
    shell.write("sought.json", json.dumps(sought))
    places = submitted(azure, shell, folder)
    done = supervised(shell, "printing.py")
    assert done.returncode == 1, done.stderr.decode()  # it ends with an error on purpose
    printed = {
        path.decode(): content for path, content in SECTION.findall(done.stdout + done.stderr)
    }
    places |= {
        "environ of a supervisor that got the client secret in clear": (
            shell.folder / "supervisor.environ"
        ).read_bytes(),
        "failed supervisor's traceback": supervised(
            shell, "train.py", AZURE_CLIENT_SECRET=f"{CLIENT_SECRET} wrong", REMOTE_ENTRY_DEBUG="1"
        ).stderr,
        "uncaught error's traceback": supervised(
            shell, "train.py", SQL_DATABASE="nowhere", REMOTE_ENTRY_DEBUG="1"
        ).stderr,
        "log, receipt and files of an extract": extracted(shell, "flights"),
        "log of an extract that failed": extracted(shell, "nowhere"),
        "state of a schedule": scheduled(shell, folder / "schedule"),
        "refusals of the job file": refused(shell, folder),
        "refusal of a file that holds a secret": refused_file(shell),
        "log at DEBUG without a supervisor": failed(shell, "login", {})["log"].encode(),
    }
    failures = {name: failed(shell, *case[:2]) for name, case in FAILURES.items()}
    places["files that the emulator keeps"] = contents(folder / "state")
    return Journey(places, printed, done.stdout + done.stderr, failures)


def submitted(azure: Emulator, shell: Shell, folder: Path) -> dict[str, bytes]:
    """Submit a run; return what it left with the service, on the laptop and in itself."""
    planted = json.dumps(PLANTED)
    shell.edit(
        "environment_variables:",
        f"tags: {{note: {planted}}}\nproperties: {{note: {planted}}}\n"
        f"display_name: {planted}\ndescription: {planted}\ninputs: {{note: planted}}\n"
        f"environment_variables:\n  PLANTED: {planted}\n  API_KEY_FROM_WORKSPACE: api-key",
    )
    shell.edit("command: python train.py", "command: python train.py ${{inputs.note}}")
    shell.edit("  AZURE_SECRET_1", "  AZURE_SECRET_SIGNING_KEY: signing-key\n  AZURE_SECRET_1")
    temporary = folder / "temporary"
    temporary.mkdir()
    (temporary / "mine.txt").write_text(PLANTED, encoding="utf-8")
    canaries = {"DB_USER": USER, "DB_PWD": PASSWORD, "KEY": API_KEY, "TMPDIR": str(temporary)}
    canaries["AZUREML_GIT_REPOSITORY_URI"] = f"https://u:{quote(PASSWORD, safe='')}@{GIT_HOST}/r"
    pairs = ["sql-username=DB_USER", "sql-password=DB_PWD", "api-key=KEY"]
    pairs += ["training-client-secret=AZURE_CLIENT_SECRET"]
    assert shell("secret", "set-many", *pairs, **canaries).returncode == 0
    assert shell("secret", "list").returncode == 0
    shell.write("Dockerfile", "FROM base\n")
    assert shell("env", "register", "flights", "--folder", ".").returncode == 0
    assert shell("plan", "job.yml").returncode == 0
    for options in ([], ["--debug"]):
        shell(*options, "submit", "job.yml", AZURE_CLIENT_SECRET=f"{PASSWORD} wrong")
        assert "AZURE_CLIENT_SECRET is wrong" in shell.transcript[-1]
    done = shell("submit", "job.yml", **canaries)
    assert done.returncode == 6, done.stdout + done.stderr  # the last query is wrong on purpose
    assert "Invalid column name 'last'" in done.stdout
    run = azure.runs[-1]
    assert run.properties["azureml.git.repository_uri"] == f"https://{GIT_HOST}/r"
    audited = shell("audit", run.run_id, "--json", **canaries)
    assert "of DB_PWD" not in audited.stdout
    assert json.loads(audited.stdout)["looked_at"]["user_logs/std_log.txt"] > 0
    assert shell("runs", "download", run.run_id, "results", "--prefix", "").returncode == 0
    for verb in (["show", run.run_id], ["list"], ["compare", run.run_id, "@last", "--all"]):
        assert shell("runs", *verb, "--json").returncode == 0
    results = shell.folder / "results"
    inside = {path: (results / "outputs/leaks" / path).read_bytes() for path in INSIDE}
    return {
        **inside,
        "log of the run": (results / "user_logs/std_log.txt").read_bytes(),
        "downloaded files": contents(results),
        "output of an audit": (audited.stdout + audited.stderr).encode(),
        "registered environments": repr(
            [version.content for versions in azure.environments.values() for version in versions]
        ).encode(),
        "definition of the run": repr(run.definition).encode(),
        "record of the run": repr(run.to_wire()).encode(),
        "addresses of requests": repr(azure.requests).encode(),
        "output of commands": "\n".join(shell.transcript).encode(),
        "events of the SQL Server": repr(list(azure.sql.events)).encode(),
        "temporary files": contents(temporary),
        "files of the project": contents(shell.folder),
    }


def supervised(shell: Shell, script: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a script under `remote_entry run`, with the client secret in clear."""
    return subprocess.run(
        [sys.executable, "-m", "remote_entry", "run", "--", sys.executable, script],
        cwd=shell.folder,
        env={**shell.environ, **RUN_VARIABLES, **variables},
        capture_output=True,
        timeout=120,
        check=False,
    )


def extracted(shell: Shell, table: str) -> bytes:
    """Extract a table without a supervisor; return what was said and written."""
    landed = shell.folder / "landed" / table
    landed.mkdir(parents=True)
    (landed / "extract.yml").write_text(
        f"name: {table}\ntable: dbo.{table}\nto: outputs\nchecksum: true\n"
        "partition: {column: month, parts: 2, connections: 2}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "remote_entry", "extract", "extract.yml"],
        cwd=landed,
        env={**shell.environ, **RUN_VARIABLES, "REMOTE_ENTRY_DEBUG": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == (table == "flights"), done.stderr.decode()
    return done.stdout + done.stderr + contents(landed)


def scheduled(shell: Shell, folder: Path) -> bytes:
    """Keep a schedule for a run; return what was said and what it remembers."""
    shell.write("night.yml", NIGHT)
    done = shell(
        *("schedule", "run-due", "night.yml", "--cron", "* * * * *", "--since", "5m", "--wait"),
        *("--state", str(folder / "state.json")),
        DB_USER=USER,
        DB_PWD=PASSWORD,
        KEY=API_KEY,
        SIGNING=SIGNING_KEY,
    )
    assert ": Completed" in done.stderr, done.stderr
    return (done.stdout + done.stderr).encode() + contents(folder)


def failed(shell: Shell, call: str, variables: dict[str, str]) -> dict[str, str]:
    """Return what a failure shows in a process that nobody supervises."""
    shown = shell.folder.parent / "failure.json"
    subprocess.run(
        [sys.executable, "errors.py", call, str(shown)],
        cwd=shell.folder,
        env={**shell.environ, **RUN_VARIABLES, **variables},
        timeout=120,
        check=True,
    )
    views: dict[str, str] = json.loads(shown.read_text())
    return views


def refused(shell: Shell, folder: Path) -> bytes:
    """Return what `submitter` says of job files that hold a secret where none belongs."""
    value = json.dumps(PASSWORD)
    wrong = folder / "wrong jobs"
    wrong.mkdir()
    said = []
    for line in (
        f"tags: [{value}]",
        f"tags: {{note: {value}}}",
        f"limits: {{timeout: {value}}}",
        f"resources: {{instance_count: {value}}}",
        f"inputs: {{a: {{type: {value}}}}}",
    ):
        (wrong / "job.yml").write_text(f"{JOB}{line}\n", encoding="utf-8")
        done = shell("plan", str(wrong / "job.yml"), DB_PASSWORD=PASSWORD)
        assert done.returncode == 2, done.stderr
        said.append(done.stdout + done.stderr)
    return "\n".join(said).encode()


def refused_file(shell: Shell) -> bytes:
    """Return what `submitter` says of a script that holds a secret in base64."""
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    shell.write("leak.py", f"login = '{encoded}'\n")
    done = shell("submit", "job.yml", DB_PWD=PASSWORD)
    (shell.folder / "leak.py").unlink()
    assert done.returncode == 2, done.stderr
    return (done.stdout + done.stderr).encode()


def contents(folder: Path) -> bytes:
    """Return names and contents of a folder's files, without those that train.py writes down."""
    files = [path for path in files_under(folder) if path.parent.name != "leaks"]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
