"""Extraction to Parquet: beside its peers, its memory, two partitions, and wide columns.

As in ``reading`` the emulator answers with rows that were encoded before, and every extract is a
process of its own, timed without imports and without the first connection. What else an extract
asks of the server (counts, bounds, where to cut) is asked of a table that is really there.
"""

import importlib.util
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from measure import PYTHON, Row, check, run
from parquet_writers import PEERS
from reading import QUERY, ROWS, played, rows_of_eight_columns

from remote_entry.extract.data_set import Partition, Window
from remote_entry.extract.server.partitions import conditions_in
from remote_entry.extract.server.windows import conditions_of, count_rows, newest, rows_query
from remote_entry.extract.spec import Spec
from submitter.emulator import Emulator

ROUNDS = 5
FEW_ROUNDS = 3  # of what takes long
TIMES = 10  # as many rows for the memory's row
MOST_MB = 250
WIDE_ROWS = 20_000
WIDE_LETTERS = 50_000  # two bytes each
DELAY = 0.1  # seconds before each 20,000 rows of a connection, which are 1.7 MB

_PROGRAM = """
import json, os, re, resource, time, warnings
warnings.filterwarnings("ignore")
query, text = os.environ["BENCH_QUERY"], os.environ["BENCH_CONNECTION"]
folder = os.environ["BENCH_FOLDER"]
{before}
started, used = time.perf_counter(), time.process_time()
{extract}
seconds, used = time.perf_counter() - started, time.process_time() - used
children = resource.getrusage(resource.RUSAGE_CHILDREN)
used += children.ru_utime + children.ru_stime
status = open("/proc/self/status").read()
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1.024 / 1000
print(json.dumps([seconds, peak, rows, used]))
"""
_OURS = """
from pathlib import Path
from contextlib import nullcontext
from remote_entry.extract.run import extract
from remote_entry.extract.server.source import SqlServer
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.processes import Processes
from remote_entry.library import find_access, open_run_database
from remote_entry.reading import over_arrow_odbc, over_mssql_python, over_pyodbc
spec = Spec.model_validate({**json.loads(os.environ["BENCH_SPEC"]), "to": folder})
access = find_access(os.environ)
time.sleep(0.5)  # under a supervisor nobody has read a vault before the fork: its threads end here
watch = Watch(lambda *_: None, lambda *_: None, print)
def connect():
    source = SqlServer(open_run_database(access))
    source.release()
    return source
shared = spec.partition and spec.partition.connections > 1
context = Processes(spec.partition.connections, connect) if shared else nullcontext()
workers = context.__enter__()
database = open_run_database(access)
"""
_EXTRACT = """
outcome = extract(spec, SqlServer(database), watch, workers=workers)
rows = outcome.rows
context.__exit__(None, None, None)
"""
_SPEC: Mapping[str, Any] = {
    "name": "bench",
    "table": "dbo.bench",
    "cursor": {"column": "id", "kind": "integer"},
    "to": "set by the process",
}
_LONGER = {**_SPEC, "table": "dbo.longer"}
_WIDE = {**_SPEC, "table": "dbo.wide"}
_TWO = {**_SPEC, "partition": {"column": "id", "parts": 2, "connections": 2}}


@dataclass(frozen=True)
class Measured:
    """One process.

    Attributes:
        seconds: How long it took.
        peak: Its memory at most, in megabytes.
        rows: How many it wrote.
        client: CPU seconds that it used, its workers included.
        server: CPU seconds that the server used meanwhile.
    """

    seconds: float
    peak: float
    rows: int
    client: float
    server: float


def extracting() -> Iterator[Row]:
    """Measure everything against one server."""
    with played(_load) as (azure, environ):
        yield from _peers(environ)
        yield from _memory(environ)
        yield from _partitions(azure, environ)


def _peers(environ: Mapping[str, str]) -> Iterator[Row]:
    """An extract, counted and verified, against what others make of the same rows."""
    title = "extract 2M rows x 8"
    present = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer.package)}
    ours: list[Measured] = []
    theirs: dict[str, list[Measured]] = {name: [] for name in present}
    for number in range(ROUNDS):
        ours.append(_extract(environ, _SPEC))
        for name, peer in present.items():
            if number < peer.rounds:
                theirs[name].append(_measure(environ, peer.before, peer.extract))
    for each in (ours, *theirs.values()):
        check(all(one.rows == ROWS for one in each), "rows are missing")
    seconds = statistics.median(one.seconds for one in ours)
    for name, peer in PEERS.items():
        if name not in present:
            missing = f"not installed: pip install 'submitter[bench]' ({peer.package})"
            yield Row(title, "extract", name, seconds, "s", None, missing, met=True)
            continue
        ratio = seconds / statistics.median(one.seconds for one in theirs[name])
        goal = "none" if peer.most is None else f"<= {peer.most:.3g} times"
        yield Row(
            title,
            "extract",
            name,
            seconds,
            "s",
            ratio,
            goal,
            met=peer.most is None or ratio <= peer.most,
        )
    for name, measured in {"extract": ours, **theirs}.items():
        peak = statistics.median(one.peak for one in measured)
        goal, met = (f"<= {MOST_MB}", peak <= MOST_MB) if name == "extract" else ("none", True)
        yield Row(title, name, "", peak, "MB peak", None, goal, met)


def _memory(environ: Mapping[str, str]) -> Iterator[Row]:
    """What an extract holds has a bound, however many rows there are, and however wide."""
    short, longer, wide = (_extract(environ, spec) for spec in (_SPEC, _LONGER, _WIDE))
    written = (short.rows, longer.rows, wide.rows)
    check(written == (ROWS, ROWS * TIMES, WIDE_ROWS), "rows are missing")
    goal, ratio = f"<= {MOST_MB}", longer.peak / short.peak
    flat = ratio <= 1.1 and longer.peak <= MOST_MB
    title = "extract 20M rows x 8"
    yield Row(title, "extract", "", longer.seconds, "s", None, "none", met=True)
    words = f"{goal}, <= 1.1 times"
    yield Row(title, "extract", "2M rows", longer.peak, "MB peak", ratio, words, flat)
    title = "extract nvarchar(max)"
    subject = f"{WIDE_ROWS} x {WIDE_LETTERS * 2 // 1000} KB"
    yield Row(title, subject, "", wide.seconds, "s", None, "none", met=True)
    yield Row(title, subject, "", wide.peak, "MB peak", None, goal, wide.peak <= MOST_MB)


def _partitions(azure: Emulator, environ: Mapping[str, str]) -> Iterator[Row]:
    """Two connections against one: from a server that is as fast as it can be, and a slower one.

    One connection alone keeps more than one processor busy (the driver fetches while rows are
    encoded), and the server runs on the same two: what the second one can add there is bounded by
    the processors' seconds, which are printed. A server that sends each connection so many bytes a
    second, as a real one does, shows what partitions are for.
    """
    title = "extract, 2 partitions"
    pairs = _in_turn(environ)
    yield from _one_and_two(title, pairs, goal=None)
    for index, subject in enumerate(("1 connection", "2 connections")):
        for who in ("client", "server"):
            used = statistics.median(getattr(pair[index], who) for pair in pairs)
            yield Row(title, f"{subject}, {who}", "", used, "CPU s", None, "none", met=True)
    azure.sql.faults.add(at="rows", delay=DELAY, matching="ORDER BY", times=None)
    yield from _one_and_two("the same, 17 MB/s each", _in_turn(environ), goal=1.6)
    azure.sql.faults.clear()


def _in_turn(environ: Mapping[str, str]) -> list[tuple[Measured, Measured]]:
    """Extract with one connection and with two, some times."""
    pairs = [(_extract(environ, _SPEC), _extract(environ, _TWO)) for _ in range(FEW_ROUNDS)]
    check(all(each.rows == ROWS for pair in pairs for each in pair), "rows are missing")
    return pairs


def _one_and_two(
    title: str, pairs: Sequence[tuple[Measured, Measured]], goal: float | None
) -> Iterator[Row]:
    one, two = (statistics.median(pair[index].seconds for pair in pairs) for index in (0, 1))
    words = "none" if goal is None else f"1 is >= {goal} times"
    met = goal is None or one / two >= goal
    yield Row(title, "1 connection", "", one, "s", None, "none", met=True)
    yield Row(title, "2 connections", "1 connection", two, "s", two / one, words, met)


def _extract(environ: Mapping[str, str], spec: Mapping[str, Any]) -> Measured:
    """Extract, as the command does."""
    return _measure({**environ, "BENCH_SPEC": json.dumps(spec)}, _OURS, _EXTRACT)


def _measure(environ: Mapping[str, str], before: str, extract: str) -> Measured:
    """Write Parquet in a process of its own."""
    program = _PROGRAM.replace("{before}", before).replace("{extract}", extract)
    used = time.process_time()
    with tempfile.TemporaryDirectory(prefix="submitter-bench-") as folder:
        given = {**environ, "BENCH_QUERY": QUERY, "BENCH_FOLDER": folder}
        printed = run([PYTHON, "-c", program], environ=given).splitlines()[-1]
    seconds, peak, rows, client = json.loads(printed)
    return Measured(seconds, peak, rows, client, time.process_time() - used)


def _load(azure: Emulator) -> None:
    """Have the tables there, and the answers that give their rows."""
    table = rows_of_eight_columns()
    azure.sql.load("flights", "bench", table)
    azure.sql.serve_canned(QUERY, table)
    spec = Spec.model_validate(_SPEC)
    end, half = str(ROWS), ROWS // 2
    azure.sql.serve_canned(_rows_of(spec, end), table)
    lower, upper = Partition(None, str(half)), Partition(str(half), None)
    azure.sql.serve_canned(_rows_of(spec, end, lower), table.slice(0, half))
    azure.sql.serve_canned(_rows_of(spec, end, upper), table.slice(half))
    _load_repeated(azure, Spec.model_validate(_LONGER), table, TIMES)
    letters = random.Random(7)  # noqa: S311 - no secret
    words = ["".join(letters.choices("abcdefghij ", k=WIDE_LETTERS)) for _ in range(100)]
    wide = pa.table({"id": pa.array(range(len(words)), pa.int32()), "body": words})
    _load_repeated(azure, Spec.model_validate(_WIDE), wide, WIDE_ROWS // len(words))


def _load_repeated(azure: Emulator, spec: Spec, table: pa.Table, times: int) -> None:
    """Play a table that is so many times as long as what is there of it."""
    azure.sql.load("flights", str(spec.table).removeprefix("dbo."), table.slice(0, 1000))
    count = table.num_rows * times
    asked = _Asked()
    newest(asked, spec)
    azure.sql.serve_canned(asked.sql, pa.table({"hi": [str(count)]}))
    count_rows(asked, spec, Window(None, str(count)))
    azure.sql.serve_canned(asked.sql, pa.table({"n": pa.array([count], pa.int64())}))
    azure.sql.serve_canned(_rows_of(spec, str(count)), table, times)


def _rows_of(spec: Spec, end: str, partition: Partition | None = None) -> str:
    """Return the text by which an extract asks for its rows."""
    key = spec.cursor_key  # the partition's column, too
    shared = conditions_in(key, partition) if partition else []
    return rows_query(spec, [*conditions_of(spec, Window(None, end)), *shared], key)


class _Asked:
    """A source that keeps the question."""

    sql = ""

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        self.sql = sql
        return [("0",)]
