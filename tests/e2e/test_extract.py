"""Extracts over the wire, by the real drivers, and as a submitted run."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.played_database import Played, play_database
from support.played_source import SILENT, landed_rows, spec_of
from support.shell import Shell

from remote_entry.__main__ import main
from remote_entry.errors import SqlError
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.watch import Watch
from submitter.emulator import Emulator

ROWS = 4_000


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Start a server with a table of every kind of cursor."""
    with play_database(tmp_path_factory.mktemp("authority")) as running:
        running.run(
            "CREATE TABLE v (id bigint NOT NULL, name nvarchar(40), amount money, "
            "at datetime2(7), rv rowversion)"
        )
        for first in range(0, ROWS, 1000):
            values = ", ".join(
                f"({n}, N'naïve €', {n}.25, DATEADD(second, {n}, '2024-01-01'))"
                for n in range(first, first + 1000)
            )
            running.run(f"INSERT INTO v (id, name, amount, at) VALUES {values}")  # noqa: S608
        yield running


@pytest.fixture(autouse=True)
def nothing_left_over(played: Played) -> Iterator[None]:
    """Let no fault rule outlive its test."""
    yield
    played.server.faults.clear()


@pytest.mark.parametrize(
    "cursor",
    [
        {"column": "rv", "kind": "rowversion"},
        {"column": "id", "kind": "integer"},
        {"column": "at", "kind": "datetime2"},
        None,
    ],
    ids=lambda cursor: cursor["kind"] if cursor else "everything",
)
def test_the_files_hold_the_table(
    played: Played, tmp_path: Path, cursor: dict[str, str] | None
) -> None:
    """Exactly, by each kind of cursor, and in types that are the server's."""
    spec = spec_of(tmp_path, cursor=cursor, rows_per_file=1_500)
    outcome = extract(spec, SqlServer(played.database), SILENT)
    [landed] = outcome.landed
    assert landed.verification is not None
    assert (landed.parts, landed.verification.is_exact, outcome.rows) == (3, True, ROWS)
    rows = landed_rows(spec)
    assert sorted(row[0] for row in rows) == list(range(ROWS))
    assert {row[1] for row in rows} == {"naïve €"}
    assert all(row[2] == row[0] + Decimal("0.25") for row in rows)
    types = {str(field.type) for field in pq.read_schema(committed_parts(spec.folder)[0])}
    assert types == {"int64", "string", "decimal128(19, 4)", "timestamp[us]", "binary"}


TYPES = {
    "bit": ("bit", "1"),
    "tiny": ("tinyint", "255"),
    "large": ("bigint", "9223372036854775807"),
    "exact": ("decimal(20,5)", "-123456789012345.67891"),
    "longest": ("decimal(38,10)", "1234567890123456789012345678.0123456789"),
    "cash": ("money", "-922337203685477.5808"),
    "day": ("date", "'9999-12-31'"),
    "moment": ("datetime2(7)", "'2024-01-31 23:59:59.1234567'"),
    "minute": ("smalldatetime", "'2024-01-31 23:59'"),
    "clock": ("time(7)", "'23:59:59.9999999'"),
    "word": ("nvarchar(40)", "N'naïve 漢 😀 '"),
    "narrow": ("varchar(40)", "'plain'"),
    "endless": ("nvarchar(max)", "N'long 😀'"),
    "raw": ("varbinary(10)", "0x00FF10"),
    "code": ("uniqueidentifier", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
    "ratio": ("float", "0.1"),
}


def test_columns_add_up_on_both_sides(played: Played, tmp_path: Path) -> None:
    """Of every type, with NULLs, in each partition; the widest and the strangest value as well."""
    columns = ", ".join(f"{name} {declared}" for name, (declared, _) in TYPES.items())
    values = ", ".join(value for _, value in TYPES.values())
    names = ", ".join(TYPES)
    played.run(
        f"CREATE TABLE types (n int IDENTITY PRIMARY KEY, {columns}, rv rowversion)",
        *[f"INSERT INTO types ({names}) VALUES ({values})"] * 5,  # noqa: S608 - ours
        *["INSERT INTO types (word) VALUES (N'😀')"] * 3,
    )
    spec = spec_of(tmp_path, table="types", checksum=True, partition={"column": "n", "parts": 2})
    [landed] = extract(spec, SqlServer(played.database), SILENT).landed
    assert landed.verification is not None
    assert (landed.entry.rows, landed.verification.compared) == (8, 3)


def test_a_reset_in_mid_stream_loses_nothing(played: Played, tmp_path: Path) -> None:
    """The stream goes on behind the last part, each row once."""
    spec = spec_of(tmp_path, rows_per_file=500)
    played.server.faults.add(at="rows", drop=True, after_rows=2_200, matching="ORDER BY")
    warnings: list[str] = []
    watch = Watch(lambda *_: None, lambda *_: None, warnings.append)
    assert extract(spec, SqlServer(played.database, batch_rows=100), watch).rows == ROWS
    assert [row[0] for row in landed_rows(spec)] == list(range(ROWS))
    assert len(warnings) == 1


def test_an_error_of_the_server_is_told(played: Played, tmp_path: Path) -> None:
    """In mid-stream, too; nothing is landed, and the next run is as good as the first."""
    spec = spec_of(tmp_path)
    error = {"error": 8115, "after_rows": 1_000, "matching": "ORDER BY"}
    played.server.faults.add(at="rows", times=None, **error)
    with pytest.raises(SqlError):
        extract(spec, SqlServer(played.database), SILENT)
    assert committed_parts(spec.folder) == []
    played.server.faults.clear()
    assert extract(spec, SqlServer(played.database), SILENT).rows == ROWS


SPEC = """\
name: flights
query: SELECT carrier, month, arr_delay FROM dbo.flights
partition: {column: month, parts: 2, connections: 2}
to: outputs/lake
"""


def test_a_job_extracts(azure: Emulator, shell: Shell) -> None:
    """Like any other command; its outputs hold the files and the receipt, and no secret."""
    shell.edit("command: python train.py", "command: python -m remote_entry extract extract.yml")
    shell.write("extract.yml", SPEC)
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flights: 4 rows in 2 parts, up to entry 1 of version 1; receipt" in done.stdout
    assert shell("runs", "download", "@last", "results").returncode == 0
    outputs = shell.folder / "results" / "outputs"
    [file] = (outputs / "extract").glob("flights-00000001-*.json")
    receipt = json.loads(file.read_text())
    assert receipt["rows"] == 4
    assert receipt["windows"][0]["verification"]["verdict"] == "exact"
    assert receipt["secrets"]["AZURE_SECRET_2"]["name"] == "sql-password"
    assert len(receipt["secrets"]["AZURE_SECRET_2"]["version"]) == 32
    assert (receipt["driver"].startswith("libmsodbcsql"), receipt["run_id"] != "") == (True, True)
    password = azure.vault("kv-flights").secret("sql-password").value
    assert password not in file.read_text()
    assert len(committed_parts(outputs / "lake" / "flights")) == 2
    metrics = json.loads(shell("runs", "show", "@last", "--json").stdout)["metrics"]
    assert metrics["flights rows"] == 4


def test_a_wrong_spec_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before any secret is read."""
    (tmp_path / "extract.yml").write_text(SPEC.replace("to:", "too:"))
    monkeypatch.setenv("AZURE_SECRET_1", "sql-username")  # reading it, without a vault, ends with 3
    monkeypatch.chdir(tmp_path)
    assert main(["extract", "extract.yml"]) == 2
    assert "extract.yml:4: unknown key 'too'. Did you mean 'to'?" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["extract.yml"]
