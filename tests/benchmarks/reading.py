"""Reading two million rows of eight mixed columns: beside its peers, and batch by batch.

The emulator answers the one query with rows that were encoded before, so that it is the reader that
is measured; login, TLS and wire are as always. Every reading is a process of its own, and its time
is without imports and without the first connection, which a script has long made when it reads.
"""

import importlib.util
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from measure import PYTHON, ROOT, Row, check, run

from submitter.emulator import Emulator

ROWS = 2_000_000
TIMES = 5  # as many rows for the longer stream
ROUNDS = 5
QUERY = "SELECT * FROM dbo.bench"
LONGER = "SELECT * FROM dbo.longer"

_PROGRAM = """
import json, os, re, time, warnings
warnings.filterwarnings("ignore")
query, text = os.environ["BENCH_QUERY"], os.environ["BENCH_CONNECTION"]
{imports}
started = time.perf_counter()
{read}
seconds = time.perf_counter() - started
# Not getrusage: what that says begins with the size of the process that started this one.
status = open("/proc/self/status").read()
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1.024 / 1000
print(json.dumps([seconds, peak, rows]))
"""
_OURS = """
from remote_entry.reading import frames, over_arrow_odbc, over_mssql_python
from remote_entry import connect, read_batches, read_frame
connect()
"""
PANDAS = """
import pandas, sqlalchemy
url = sqlalchemy.URL.create("mssql+pyodbc", query={"odbc_connect": text})
engine = sqlalchemy.create_engine(url)
engine.connect().close()
"""
CONNECTORX = """
import connectorx, pandas, urllib.parse
part = dict(re.findall(r"(\\w+)={((?:[^}]|}})*)}", text))
user, password = [urllib.parse.quote(part[key].replace("}}", "}"), safe="")
                  for key in ("UID", "PWD")]
address = part["Server"].removeprefix("tcp:").replace(",", ":")
url = (f"mssql://{user}:{password}@{address}/{part['Database']}"
       "?encrypt=true&trust_server_certificate=true")
"""
_ARROW_ODBC = """
reader = arrow_odbc.read_arrow_batches_from_odbc(query, text, fetch_concurrently=True)
rows = len(pyarrow.Table.from_batches(list(reader), reader.schema))
"""

_CONNECTION = """
from remote_entry.library import _PROCESS
print(_PROCESS.database().connector.connection_string)
"""

# Subject: the package that it needs, what comes before the clock starts, what is measured.
_READERS = {
    "read_frame": ("pandas", _OURS, "rows = len(read_frame(query))"),
    "pandas.read_sql": ("pandas", PANDAS, "rows = len(pandas.read_sql(query, engine))"),
    "connectorx": (
        "connectorx",
        CONNECTORX,
        # Its own way to pandas 3 ends in a segmentation fault (0.4.6).
        "rows = len(connectorx.read_sql(url, query, return_type='arrow').to_pandas())",
    ),
    "polars": (
        "polars",
        "import polars, arrow_odbc",
        "rows = len(polars.read_database(query, text))",
    ),
    "bare arrow-odbc": ("arrow_odbc", "import arrow_odbc, pyarrow", _ARROW_ODBC),
}
# Peer: the largest ratio of read_frame's time to the peer's, None for no promise.
_GOALS = {"pandas.read_sql": 0.2, "connectorx": None, "polars": None, "bare arrow-odbc": 1.1}


def read() -> Iterator[Row]:
    """`read_frame` to a DataFrame, against what others make of the same rows."""
    title = "read 2M rows x 8"
    present = [
        name for name, (package, *_) in _READERS.items() if importlib.util.find_spec(package)
    ]
    with played(_load) as (_, environ):
        measured: dict[str, list[list[float]]] = {name: [] for name in present}
        for _ in range(ROUNDS):
            for name, into in measured.items():
                into.append(_measure(QUERY, *_READERS[name][1:], environ=environ))
    check(all(row[2] == ROWS for rows in measured.values() for row in rows), "rows are missing")
    times = {name: statistics.median(row[0] for row in rows) for name, rows in measured.items()}
    peaks = {name: statistics.median(row[1] for row in rows) for name, rows in measured.items()}
    ours = times["read_frame"]
    for peer, most in _GOALS.items():
        if peer not in present:
            missing = f"not installed: pip install 'submitter[bench]' ({_READERS[peer][0]})"
            yield Row(title, "read_frame", peer, ours, "s", None, missing, met=True)
            continue
        ratio = ours / times[peer]
        goal = "none" if most is None else f"<= {most} times"
        met = most is None or ratio <= most
        yield Row(title, "read_frame", peer, ours, "s", ratio, goal, met)
    for name in present:
        ratio = peaks["read_frame"] / peaks[name]
        yield Row(title, name, "", peaks[name], "MB peak", None, "none", met=True)


def stream() -> Iterator[Row]:
    """`read_batches` needs as much memory for ten million rows as for two."""
    count = "rows = 0\nfor batch in read_batches(query):\n    rows += batch.num_rows"
    with played(_load) as (_, environ):
        short = _measure(QUERY, _OURS, count, environ=environ)
        long = _measure(LONGER, _OURS, count, environ=environ)
    check((short[2], long[2]) == (ROWS, ROWS * TIMES), "rows are missing")
    ratio = long[1] / short[1]
    title = "read_batches"
    yield Row(title, "2M rows", "", short[0], "s", None, "none", met=True)
    yield Row(title, "10M rows", "", long[0], "s", None, "none", met=True)
    yield Row(title, "2M rows", "", short[1], "MB peak", None, "none", met=True)
    yield Row(title, "10M rows", "2M rows", long[1], "MB peak", ratio, "<= 1.1 times", ratio <= 1.1)


def _measure(query: str, imports: str, read: str, *, environ: Mapping[str, str]) -> list[float]:
    """Read in a process of its own; return seconds, megabytes at the peak, rows."""
    program = _PROGRAM.replace("{imports}", imports).replace("{read}", read)
    measured: list[float] = json.loads(
        run([PYTHON, "-c", program], environ={**environ, "BENCH_QUERY": query})
    )
    return measured


@contextmanager
def played(load: Callable[[Emulator], None]) -> Iterator[tuple[Emulator, Mapping[str, str]]]:
    """Start an emulator, load it, and give the variables that lead to it."""
    config = (ROOT / "submitter/templates/flights/emulator.yml").read_text()
    with tempfile.TemporaryDirectory(prefix="submitter-bench-") as folder:
        file = Path(folder) / "emulator.yml"
        file.write_text(config.rpartition("    flights:\n")[0] + "    flights: {}\n")
        with Emulator(file) as azure:
            load(azure)
            environ = {
                **os.environ,
                **azure.environ,
                "AZURE_SECRET_1": "sql-username",
                "AZURE_SECRET_2": "sql-password",
                "SQL_DATABASE": "flights",
            }
            # For the peers, which know no vault; it is this emulator's alone.
            environ["BENCH_CONNECTION"] = run([PYTHON, "-c", _CONNECTION], environ=environ).strip()
            yield azure, environ


def _load(azure: Emulator) -> None:
    table = rows_of_eight_columns()
    azure.sql.serve_canned(QUERY, table)
    azure.sql.serve_canned(LONGER, table, TIMES)
    for name in ("bench", "longer"):  # what the server describes before it answers
        azure.sql.load("flights", name, table.slice(0, 0))


def rows_of_eight_columns() -> pa.Table:
    """Return integers, a float, a decimal, a moment, texts and a flag, a tenth of most NULL."""
    random = np.random.default_rng(7)
    words = np.array(["alpha", "bravo", "charlie", "delta", "echo foxtrot golf", "é漢字", "x"])

    def with_nulls(values: object, kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind, mask=random.random(ROWS) < 0.1)

    cents = pa.array(random.integers(-(10**12), 10**12, ROWS)).cast(pa.decimal128(19, 0))
    columns = {
        "id": pa.array(np.arange(ROWS), pa.int32()),
        "big": with_nulls(random.integers(0, 2**62, ROWS), pa.int64()),
        "val": with_nulls(random.random(ROWS) * 1e6, pa.float64()),
        "amount": pa.Array.from_buffers(pa.decimal128(18, 4), ROWS, [None, cents.buffers()[1]]),
        "at": with_nulls(random.integers(0, 10**15, ROWS), pa.timestamp("us")),
        "name": with_nulls(words[random.integers(0, len(words), ROWS)], pa.string()),
        "code": pa.array(np.char.add("c", random.integers(0, 10**6, ROWS).astype(str))),
        "flag": with_nulls(random.random(ROWS) < 0.5, pa.bool_()),
    }
    fields = [
        pa.field(name, column.type, nullable=column.null_count > 0)
        for name, column in columns.items()
    ]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
