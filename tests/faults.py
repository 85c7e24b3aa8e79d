"""`make faults`: break one thing at a time, and see that it is said clearly and in bounded time.

Prints a table and writes build/faults.json; ends with an error if a row falls short. The test
suite runs the same cells, one test each.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import extract_fault_cells
import extract_faults
import follow_fault_cells
import remote_faults
import submit_fault_cells
from remote_faults import Row, run_cells
from support.shell import (
    CLIENT_ID,
    EXPIRED_CLIENT_ID,
    EXPIRED_CLIENT_SECRET,
    Shell,
    flights_emulator,
    project,
)

ROOT = Path(__file__).parents[1]
SIDE_BY_SIDE = 2
UNKNOWN = "99999999-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Cell:
    """One broken thing.

    Attributes:
        where: Which part is broken.
        fault: What is wrong with it.
        expected: A pattern of `exit CODE: MESSAGE`; a run's own exit code stands before its log.
        within: Seconds that the command may take.
        breaking: Breaks it in a project.
        arguments: The command that meets the fault.
        variables: Its additional variables.
    """

    where: str
    fault: str
    expected: str
    breaking: Callable[[Shell], object] = lambda _: None
    within: float = 30
    arguments: tuple[str, ...] = ("submit", "job.yml")
    variables: tuple[tuple[str, str], ...] = ()


def edit(old: str, new: str) -> Callable[[Shell], object]:
    """Return what replaces a part of the job file."""
    return lambda shell: shell.edit(old, new)


def variable(line: str) -> Callable[[Shell], object]:
    """Return what adds a line to the job's environment variables."""
    return edit("environment_variables:\n", f"environment_variables:\n  {line}\n")


def swap_variable(name: str, value: str) -> Callable[[Shell], object]:
    """Return what gives one of the job's environment variables another value."""

    def breaking(shell: Shell) -> None:
        text = (shell.folder / "job.yml").read_text()
        shell.write("job.yml", re.sub(rf"{name}: .*", f"{name}: {value}", text))

    return breaking


def both(*steps: Callable[[Shell], object]) -> Callable[[Shell], object]:
    """Return what takes several steps."""
    return lambda shell: [step(shell) for step in steps]


def http(**rule: object) -> Callable[[Shell], object]:
    """Return what makes an HTTP service of the emulator fail."""
    return lambda shell: shell.azure.faults.add(**{"times": None, **rule})


def sql(**rule: object) -> Callable[[Shell], object]:
    """Return what makes the SQL Server fail."""
    return lambda shell: shell.azure.sql.faults.add(**{"times": None, **rule})


def set_secret(name: str, value: str) -> Callable[[Shell], object]:
    """Return what gives a secret of the vault a new version."""
    return lambda shell: shell.azure.vault("kv-flights").set(name, value)


CELLS = (
    Cell(
        *("job file", "a wrong key"),
        r"exit 2: .*job.yml:4: unknown key 'enviroment'. Did you mean 'environment'\?",
        edit("environment: ", "enviroment: "),
        within=5,
    ),
    Cell(
        "job file", "missing", "exit 2: There is no file none.yml", arguments=("plan", "none.yml")
    ),
    Cell(
        *("job file", "a credential in clear"),
        "exit 2: One credential would be readable .*job.yml:7: AZURE_CLIENT_SECRET would carry",
        variable("AZURE_CLIENT_SECRET: hunter2"),
        within=5,
    ),
    Cell(
        *("job file", "what v1 cannot carry"),
        r"exit 2: job.yml:1: .*cannot carry 'queue_settings'",
        edit("experiment_name", "queue_settings: {job_tier: spot}\nexperiment_name"),
    ),
    Cell(
        *("workspace", "no config.json"),
        r"exit 3: No workspace is configured: there is no .azureml/config.json",
        lambda shell: (shell.folder / ".azureml/config.json").unlink(),
    ),
    Cell(
        *("workspace", "unknown"),
        "exit 3: Could not open the workspace .*: Workspace not found",
        lambda shell: shell.write(
            ".azureml/config.json",
            json.dumps({**shell.azure.workspace, "workspace_name": "ws-none"}),
        ),
    ),
    Cell(
        *("workspace", "unknown environment"),
        "exit 4: job.yml:4: The environment azureml:nope is not registered",
        edit("{name: flights, image: ubuntu}", "azureml:nope@latest"),
    ),
    Cell(
        *("workspace", "unknown compute target"),
        "exit 4: job.yml:5: there is no compute target cpu-clutser .*Did you mean 'cpu-cluster'",
        edit("cpu-cluster", "cpu-clutser"),
    ),
    Cell(
        *("workspace", "unknown run"),
        "exit 4: Could not find the run none_1",
        arguments=("runs", "show", "none_1"),
    ),
    Cell(
        *("sign-in", "nobody, in CI"),
        "exit 3: Nobody is signed in. Looked for a service principal",
        variables=(("AZURE_CLIENT_SECRET", ""),),
        within=5,
    ),
    Cell(
        *("sign-in", "wrong client secret"),
        r"exit 3: .*AADSTS7000215.*AZURE_CLIENT_SECRET is wrong",
        variables=(("AZURE_CLIENT_SECRET", "wrong"),),
    ),
    Cell(
        *("sign-in", "expired client secret"),
        r"exit 3: .*AADSTS7000222.*AZURE_CLIENT_SECRET has expired",
        variables=(
            ("AZURE_CLIENT_ID", EXPIRED_CLIENT_ID),
            ("AZURE_CLIENT_SECRET", EXPIRED_CLIENT_SECRET),
        ),
    ),
    Cell(
        *("sign-in", "unknown tenant"),
        r"exit 3: .*AADSTS90002.*AZURE_TENANT_ID is not a tenant",
        variables=(("AZURE_TENANT_ID", UNKNOWN),),
    ),
    Cell(
        *("service", "submission answers 400"),
        r"exit 5: Could not submit to the experiment flight-delays",
        http(service="azureml", match=r"POST .*/snapshotrun", status=400),
    ),
    Cell(
        *("service", "role missing (403)"),
        r"exit 3: .*refused this identity \(403\)",
        http(service="azureml", match=r"POST .*/snapshotrun", status=403),
    ),
    Cell(
        *("service", "Entra is silent"),
        r"exit 5: Could not open the workspace .*: there was no answer within 3 s",
        http(service="entra", match="POST", delay=30, status=None),
        variables=(("SUBMITTER_TIMEOUT", "3"),),
        within=15,
    ),
    Cell(
        *("service", "Azure ML is silent"),
        r"exit 5: Could not get the environment flights .*: there was no answer within 3 s",
        http(service="azureml", match="GET .*/environments/", delay=30, status=None),
        variables=(("SUBMITTER_TIMEOUT", "3"),),
        within=15,
    ),
    Cell(
        *("service", "drops the connection"),
        r"exit 5: Could not open the workspace .*: the connection was cut",
        http(service="arm", match="GET", drop=True),
        within=60,
    ),
    Cell(
        *("run", "script fails"),
        r"exit 6: .*exited with status code 3",
        lambda shell: shell.write("train.py", "raise SystemExit(3)\n"),
    ),
    Cell(
        *("run", "no such command"),
        r"exit 6: .*exited with status code 127.*",
        edit("python train.py", "pyhton train.py"),
    ),
    Cell(
        *("vault", "unknown secret"),
        r"exit 6: .*status code 5\b.*AZURE_SECRET_2 → nope.*\[vault.missing\]",
        swap_variable("AZURE_SECRET_2", "nope"),
    ),
    Cell(
        *("vault", "unknown version"),
        r"exit 6: .*status code 5\b.*AZURE_SECRET_2 → sql-password \(version ffffffff.*missing",
        variable(f'AZURE_SECRET_2_VERSION: "{"f" * 32}"'),
    ),
    Cell(
        *("vault", "answers 403"),
        r"exit 6: .*status code 5\b.*kv-flights",
        http(service="keyvault", match=r"GET /secrets/", status=403),
    ),
    Cell(
        *("vault", "drops the connection"),
        r"exit 6: .*status code 5\b.*kv-flights",
        http(service="keyvault", match=r"GET /secrets/", drop=True),
    ),
    Cell(
        *("vault", "silent"),
        r"exit 6: .*status code 5\b.*(within 3 s|deadline)",
        both(
            http(service="keyvault", match=r"GET /secrets/", delay=30),
            variable('REMOTE_ENTRY_DEADLINE: "3"'),
        ),
    ),
    Cell(
        *("vault", "another host name"),
        r"exit 6: .*status code 5\b.*kv-none",
        both(
            swap_variable("KEY_VAULT_URL", "https://kv-none.vault.azure.net"),
            variable('REMOTE_ENTRY_DEADLINE: "5"'),
        ),
    ),
    Cell(
        *("identity in the run", "wrong client secret"),
        r"exit 6: .*status code 4\b.*AADSTS7000215",
        set_secret("training-client-secret", "wrong"),
    ),
    Cell(
        *("identity in the run", "expired client secret"),
        r"exit 6: .*status code 4\b.*AADSTS7000222",
        both(
            set_secret("training-client-secret", EXPIRED_CLIENT_SECRET),
            edit(CLIENT_ID, EXPIRED_CLIENT_ID),
        ),
    ),
    Cell(
        *("identity in the run", "not in the workspace's vault"),
        r"exit 6: .*status code 4\b.*Not in the workspace's vault: .* → nope",
        swap_variable("AZURE_CLIENT_SECRET_FROM_WORKSPACE", "nope"),
    ),
    Cell(
        *("database", "refuses the connection"),
        r"exit 6: .*status code 6\b.*localhost, port 1 \(SQL_SERVER\): Connection refused",
        swap_variable("SQL_SERVER", "localhost,1"),
    ),
    Cell(
        "database",
        "silent",
        r"exit 6: .*status code 6\b.*did not finish the login in time",
        both(sql(at="connect", delay=60), variable('REMOTE_ENTRY_SQL_DEADLINE: "3"')),
    ),
    Cell(
        *("database", "wrong password"),
        r"exit 6: .*status code 6\b.*refused the user name or the password.*18456",
        swap_variable("AZURE_SECRET_2", "training-client-secret"),
    ),
    Cell(
        "database",
        "unknown database",
        r"exit 6: .*status code 6\b.*4060",
        swap_variable("SQL_DATABASE", "nope"),
    ),
    Cell(
        *("database", "the first question fails"),
        r"exit 6: .*status code 6\b.*No session on SQL Server .*208",
        sql(at="query", error=208),
    ),
    Cell(
        *("database", "a query fails"),
        r"exit 6: .*status code 6\b.*The query failed.*208",
        sql(at="query", error=208, matching="dbo.flights"),
    ),
    Cell(
        *("database", "connection lost in mid-query"),
        r"exit 6: .*status code 6\b.*the connection broke off",
        both(
            sql(at="rows", drop=True, matching="flights"),
            # A read is done again after five seconds, unless there is less time than that.
            variable('REMOTE_ENTRY_SQL_DEADLINE: "3"'),
        ),
    ),
    Cell(
        *("database", "no ODBC driver"),
        r"exit 6: .*status code 6\b.*No ODBC driver for SQL Server: looked for",
        # An empty package of the wheel's name, found before the real one.
        lambda shell: (
            (shell.folder / "mssql_python_odbc").mkdir()
            or shell.write("mssql_python_odbc/__init__.py", "")
        ),
    ),
)


def run_cell(cell: Cell, folder: Path) -> Row:
    """Break a thing in a fresh project on a fresh emulator, and type the command."""
    folder.mkdir(parents=True)
    with flights_emulator(folder) as azure:
        shell = project(azure, folder / "project")
        cell.breaking(shell)
        started = time.monotonic()
        done = shell(*cell.arguments, **dict(cell.variables))
        seconds = time.monotonic() - started
    said = re.search(r"^error: (.*)", done.stderr, re.MULTILINE | re.DOTALL)
    got = " ".join(f"exit {done.returncode}: {said[1] if said else done.stderr}".split())
    ok = (
        re.match(cell.expected, got) is not None
        and seconds <= cell.within
        and "Traceback" not in done.stdout + done.stderr
    )
    return Row(cell.where, cell.fault, cell.expected, got, round(seconds, 1), ok)


def all_rows(folder: Path) -> Iterator[Row]:
    """Run every cell, those of the run's side last; several at the same time."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(
            lambda numbered: run_cell(numbered[1], folder / str(numbered[0])), enumerate(CELLS)
        )
    yield from submit_fault_cells.run_cells(submit_fault_cells.CELLS, folder / "submit")
    yield from follow_fault_cells.run_cells(follow_fault_cells.CELLS, folder / "follow")
    yield from run_cells(remote_faults.CELLS, folder / "remote")
    yield from extract_faults.crash_rows()
    yield from extract_faults.run_cells(extract_fault_cells.CELLS)


def main() -> None:
    """Run everything, print the table, write build/faults.json."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="submitter-faults-") as folder:
        for row in all_rows(Path(folder)):
            rows.append(row)
            mark = "ok  " if row.ok else "FAIL"
            got = row.got[:110]
            print(f"{mark} {row.seconds:5.1f} s  {row.where:27} {row.fault:40} {got}", flush=True)
    (ROOT / "build").mkdir(exist_ok=True)
    content = json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)
    (ROOT / "build/faults.json").write_text(content + "\n", encoding="utf-8")
    short = [row for row in rows if not row.ok]
    print(f"\n{len(rows) - len(short)} of {len(rows)} as expected")
    if short:
        sys.exit("\n".join(f"{row.where}, {row.fault}: {row.got}" for row in short))


if __name__ == "__main__":
    main()
