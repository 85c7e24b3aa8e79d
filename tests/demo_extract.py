"""`make demo-extract`: a table that changes is extracted on three nights; everything is checked.

The table is in the played SQL Server and is written to by Microsoft's own driver; the runs are
submitted by the command line, each for the instant that its schedule names.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import demo
import pyarrow.parquet as pq
import pyodbc
import yaml
from demo import Demo, check, submitter

from remote_entry.extract import committed_parts, open_part
from remote_entry.sql.odbc import connection_string, find_driver
from submitter.emulator import Emulator

FOLDER = Path(__file__).parents[1] / "build" / "demo-extract"
PROJECT = FOLDER / "project"
LAKE = "abfss://lake@emulatorstore.dfs.core.windows.net/nightly"
SCHEDULE = ("30 2 * * *", "--zone", "Europe/Berlin")
SPEC = f"""\
name: flights
table: dbo.flights
cursor: {{column: rv, kind: rowversion}}
to: {LAKE}
rows_per_file: 20000
"""
TABLE = (
    "id int IDENTITY PRIMARY KEY, time_hour datetime2(0) NOT NULL, carrier nvarchar(2), "
    "flight int, tailnum nvarchar(6), origin nchar(3), dest nchar(3), dep_delay int, "
    "arr_delay int, rv rowversion"
)
COPIED = "time_hour, carrier, flight, tailnum, origin, dest, dep_delay, arr_delay"
DAY = f"INSERT INTO dbo.flights ({COPIED}) SELECT {COPIED} FROM dbo.year_2013 WHERE "  # noqa: S608
SECONDS_ALLOWED = 240  # a fifth of that is usual; a busy machine is no failure


def main() -> None:
    """Extract on three nights, trigger one of them twice, and compare."""
    demo.FOLDER = PROJECT
    shown = Demo()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with shown.step("a project: job.yml runs python -m remote_entry extract extract.yml"):
        submitter("init", "project", "--example", "extract", environ=os.environ, folder=FOLDER)
        (PROJECT / "extract.yml").write_text(SPEC)
        print(SPEC)
    with shown.step("an Azure on this machine; its SQL Server has the flights of January"):
        azure = Emulator(configured(PROJECT / "emulator.yml")).start()
    try:
        azure.write_workspace_config(PROJECT)
        # This process reads the lake, and writes to the table, as somebody with these variables.
        os.environ.update({**azure.environ, "STORAGE_AUTH": "service-principal"})
        with writer(azure) as clerk, writer(azure) as other:
            clerk.execute(f"CREATE TABLE dbo.flights ({TABLE})")
            clerk.execute(f"{DAY} month = 1")
            nights(shown, azure, clerk, other)
            with shown.step("the lake against the table: the newest state of each flight"):
                compare(clerk)
        check(not azure.egress, f"something tried to leave this machine: {azure.egress}")
        check(not azure.unknown_routes, f"not played: {azure.unknown_routes}")
    finally:
        azure.stop()
    shown.report(SECONDS_ALLOWED)


def nights(shown: Demo, azure: Emulator, clerk: Any, other: Any) -> None:
    """Let the table change and the schedule come round, three times."""
    environ = {**os.environ, **azure.environ, "CI": "1"}
    with shown.step(
        "the schedule: on the second night clocks go forward, and 02:30 does not exist"
    ):
        found = submitter(
            *("schedule", "next", *SCHEDULE, "-n", "3", "--after", "2027-03-26T12:00Z", "--json"),
            environ=environ,
            show=False,
        )
        instants = [each["local"] for each in json.loads(found)]
        print("".join(f"   {each}\n" for each in instants), end="")

    with shown.step("night 1: all of January"):
        night(instants[0], environ, rows=27_004)

    clerk.execute(f"{DAY} month = 2 AND day = 1")
    clerk.execute("UPDATE dbo.flights SET arr_delay = arr_delay + 5 WHERE id % 100 = 0")
    other.autocommit = False
    other.execute(f"{DAY} month = 2 AND day = 2")  # and does not commit
    with shown.step("night 2: 926 new flights, 270 corrected; 682 more are not committed yet"):
        night(instants[1], environ, rows=926 + 270)

    other.commit()
    clerk.execute(f"{DAY} month = 2 AND day = 3")
    clerk.execute("UPDATE dbo.flights SET dest = 'BOS' WHERE id <= 10")
    environ["DB_PWD"] = secrets.token_urlsafe(24)
    submitter("secret", "set-many", "sql-password=DB_PWD", environ=environ)
    with shown.step("night 3: those 682, 814 new, 10 corrected; the password has been changed"):
        night(instants[2], environ, rows=682 + 814 + 10)

    with shown.step("night 3 is triggered again, and so is an extract of a night without changes"):
        before = committed_parts(f"{LAKE}/flights")
        said = submitter(
            "submit",
            "job.yml",
            "--scheduled-for",
            instants[2],
            "--json",
            environ=environ,
            show=False,
        )
        runs = [run for run in azure.runs if run.run_id == json.loads(said)["id"]]
        check(len(runs) == 1, "the night has two runs")
        print(f"   attached to {runs[0].run_id}, which is {runs[0].status}; nothing ran twice")
        submit(environ, "--run-id", "another-look")
        check(before == committed_parts(f"{LAKE}/flights"), "another part was landed")


def night(instant: str, environ: Mapping[str, str], rows: int) -> None:
    """Submit the run of an instant, and show its receipt."""
    receipt = submit(environ, "--scheduled-for", instant)
    show(receipt)
    [window] = receipt["windows"]
    check(receipt["rows"] == rows, f"{receipt['rows']} rows were landed, and not {rows}")
    check(window["verification"]["verdict"] == "exact", "the counts differ")


def submit(environ: Mapping[str, str], *arguments: str) -> Any:
    """Submit the job, follow it to its end, download its outputs; return its receipt."""
    said = submitter("submit", "job.yml", *arguments, "--json", environ=environ, show=False)
    run = json.loads(said)
    check(run["status"] == "Completed", f"the run ended as {run['status']}")
    results = FOLDER / "results" / run["id"]
    submitter("runs", "download", run["id"], f"../results/{run['id']}", environ=environ, show=False)
    [file] = (results / "outputs" / "extract").glob("flights-*.json")
    receipt = json.loads(file.read_text())
    if not receipt["windows"]:
        print(f"   {file.name}: nothing new")
    return receipt


def show(receipt: Mapping[str, Any]) -> None:
    """Print what a receipt says."""
    [window] = receipt["windows"]
    found = window["verification"]
    lines = {
        "run": receipt["run_id"],
        "window": f"[{window['lo'] or 'the beginning'}, {window['hi']}) of {receipt['cursor']}",
        "rows": f"{window['rows']:,} in {window['parts']} file(s), {window['bytes']:,} bytes, "
        f"{receipt['seconds']:.1f} s",
        "verified": f"the server counted {found['counted_after']:,}, the files hold "
        f"{found['written']:,}: {found['verdict']}",
        "manifest": f"{window['folder']}/_MANIFEST.json, sha256 {window['manifest_sha256'][:16]}…",
        **{
            variable: f"{secret['name']}, version {str(secret['version'])[:8]}…"
            for variable, secret in receipt["secrets"].items()
        },
        "server": f"{receipt['server']}, {receipt['driver']}, {receipt['isolation']}",
    }
    width = max(map(len, lines))
    print("   ┌ receipt")
    for name, text in lines.items():
        print(f"   │ {name:{width}}  {text}")


def compare(clerk: Any) -> None:
    """Hold what readers read against the table."""
    files = committed_parts(f"{LAKE}/flights")
    landed = [row for file in files for row in pq.read_table(open_part(file)).to_pylist()]
    print("".join(f"   {file}\n" for file in files), end="")
    newest = {row["id"]: tuple(row.values()) for row in sorted(landed, key=lambda row: row["rv"])}
    table = {row[0]: tuple(row) for row in clerk.execute("SELECT * FROM dbo.flights").fetchall()}
    states = len({(row["id"], row["rv"]) for row in landed})
    print(f"   {len(landed):,} rows in {len(files)} files, {len(newest):,} flights")
    print(f"   the table has {len(table):,} flights")
    check(states == len(landed), "a state of a flight was landed twice")
    check(newest == table, "the lake and the table differ")
    print("   equal: every column of every flight, and no state of one twice")


def configured(file: Path) -> Path:
    """Give the project's server a login that writes, and an empty place for the table."""
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["vaults"]["kv-flights"]["operations-password"] = {"generate": True}
    config["sql"]["logins"]["operations"] = {"secret": "operations-password"}
    tables = config["sql"]["databases"]["flights"]["tables"]
    tables["year_2013"] = tables.pop("flights")
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


@contextmanager
def writer(azure: Emulator) -> Iterator[Any]:
    """Connect as those who write to the table."""
    attributes = {
        "Driver": find_driver(),
        "Server": f"tcp:{azure.environ['SQL_SERVER']}",
        "Database": "flights",
        "UID": "operations",
        "PWD": azure.vault("kv-flights").secret("operations-password").value,
        "Encrypt": "yes",
    }
    connection = pyodbc.connect(connection_string(attributes), autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


if __name__ == "__main__":
    main()
