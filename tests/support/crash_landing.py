"""A landing that is killed or overtaken at every operation on the disk; prints what became of it.

    python -m support.crash_landing FOLDER

It runs as a process of its own and forks one child for each step: nothing of the server, of
pyarrow's threads or of pytest is in it.
"""

import contextlib
import errno
import json
import os
import random
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Column
from remote_entry.extract.landing.folder import committed_parts
from remote_entry.extract.run import extract
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.stores import open_store
from remote_entry.extract.watch import Watch
from remote_entry.reading.describe import Declaration
from support.locks import forbid_locks

ROWS = 7
MORE = 4  # rows that the table has gained when a later process looks
PAIRS = 14
SILENT = Watch(begin=lambda *_: None, note=lambda *_: None, warn=lambda _: None)
SCHEMA = pa.schema([("id", pa.int64())])


@dataclass
class Numbers:
    """A table of the numbers from 1, with itself as the cursor."""

    rows_now: int
    schema: pa.Schema = SCHEMA

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if step := re.search(r"% (\d+)", sql):  # where to cut into partitions
            return [(str(n),) for n in self._within(sql)[int(step[1]) :: int(step[1])]]
        if "MAX(" in sql:
            return [(str(self.rows_now + 1),)]
        return [(len(self._within(sql)),)]

    def describe(self, _: str) -> Declaration:
        return Declaration(("bigint",), ("id",))

    @contextmanager
    def rows(self, sql: str, _: Sequence[Column]) -> Iterator["Numbers"]:
        self._batches = pa.table({"id": self._within(sql)}, SCHEMA).to_batches(max_chunksize=2)
        yield self

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._batches)

    def release(self) -> None:
        pass

    def _within(self, sql: str) -> list[int]:
        if "IS NULL" in sql:
            return []
        lows = [int(number) for number in re.findall(r">= (\d+)", sql)]
        highs = [int(number) for number in re.findall(r"< (\d+)", sql)]
        return list(range(max(lows, default=1), min(highs, default=self.rows_now + 1)))


CURSOR = {"cursor": {"column": "id", "kind": "integer"}}
WAYS: dict[str, dict[str, Any]] = {
    "by cursor": CURSOR,
    "in partitions": {**CURSOR, "partition": {"column": "id", "parts": 2}},
    "everything": {},
}


def spec_of(folder: Path, way: str) -> Spec:
    """Return an extract of the numbers, three to a part."""
    fixed = {"name": "n", "query": "SELECT id FROM n", "to": str(folder), "rows_per_file": 3}
    return Spec.model_validate({**fixed, **WAYS[way]})


def unlockable(spec: Spec) -> Spec:
    """Let two runs meet in its data set."""
    assert isinstance(spec.folder, Path)
    forbid_locks(spec.folder)
    return spec


def landed(spec: Spec) -> list[int]:
    """Return what readers read."""
    files = committed_parts(spec.folder)
    return [n for file in files for n in pq.read_table(file, partitioning=None)["id"].to_pylist()]


def land(
    spec: Spec, rows: int, *, at: int = -1, then: Callable[[], object] = lambda: None
) -> list[str]:
    """Extract; do something before a step. Returns the steps."""
    steps: list[str] = []

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) - 1 == at:
            then()

    extract(spec, Numbers(rows), SILENT, store=open_store(spec.folder, step))
    return steps


def die() -> None:
    """End this process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Any) -> int:
    """Return the status of a child that does something; 0 if it came to its end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def killed(spec: Spec, step: int) -> dict[str, Any]:
    """Kill a landing at a step, look, run again with more rows in the table, look again."""
    status = in_child(lambda: land(spec, ROWS, at=step, then=die))
    meanwhile = landed(spec)
    again = in_child(lambda: land(spec, ROWS + MORE))
    return {"as_told": status == signal.SIGKILL, **end(spec, again), "meanwhile": meanwhile}


def refused(spec: Spec, step: int) -> dict[str, Any]:
    """Have the disk full at a step; the error is the product's own, and the next run goes on."""

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def run() -> None:
        with contextlib.suppress(ExtractError):
            land(spec, ROWS, at=step, then=full)

    status = in_child(run)
    meanwhile = landed(spec)
    again = in_child(lambda: land(spec, ROWS + MORE))
    return {"as_told": status == 0, **end(spec, again), "meanwhile": meanwhile}


def overtaken(spec: Spec, step: int) -> dict[str, Any]:
    """Let another process do all of it at a step, and go on as if nothing had happened."""

    def other() -> None:
        land(spec, ROWS + MORE)

    status = in_child(lambda: land(spec, ROWS, at=step, then=other))
    return {"as_told": status == 0, **end(spec, status), "meanwhile": []}


def both(spec: Spec, step: int, other_step: int) -> dict[str, Any]:
    """Let another process get as far as a step of its own and be killed there, then go on."""

    def other() -> None:
        in_child(lambda: land(spec, ROWS + MORE, at=other_step, then=die))

    status = in_child(lambda: land(spec, ROWS, at=step, then=other))
    return {"as_told": status == 0, **end(spec, status), "meanwhile": []}


def end(spec: Spec, status: int) -> dict[str, Any]:
    """Run once more, and tell what readers read."""
    once_more = in_child(lambda: land(spec, ROWS + MORE))
    return {"ended_well": status == 0 and once_more == 0, "in_the_end": landed(spec)}


def main(folder: Path) -> None:
    """Go through all steps of each way to read."""
    found: list[dict[str, Any]] = []
    chance = random.Random(5)  # noqa: S311 - which pairs are tried is no secret
    for way in WAYS:
        steps = land(spec_of(folder / f"clean {way}", way), ROWS)
        unlocked = land(unlockable(spec_of(folder / f"unlocked {way}", way)), ROWS)

        def fresh(way: str = way) -> Spec:
            return spec_of(folder / str(len(found)), way)

        def note(kind: str, step: str, cell: dict[str, Any], way: str = way) -> None:
            found.append({"way": way, "kind": kind, "step": step, **cell})

        for number, name in enumerate(steps):
            if way != "everything" or number % 3 == 1:  # without a cursor nobody goes on
                note("killed", name, killed(fresh(), number))
            if number % 3 == 0:
                note("disk full", name, refused(fresh(), number))
        for number, name in enumerate(unlocked):
            if number % 3 == 0:
                note("overtaken", name, overtaken(unlockable(fresh()), number))
        for _ in range(PAIRS):
            one, other = chance.randrange(len(unlocked)), chance.randrange(len(unlocked))
            pair = f"{unlocked[one]} | {unlocked[other]}"
            note("both", pair, both(unlockable(fresh()), one, other))
    sys.stdout.write(json.dumps({"rows": ROWS, "more": MORE, "cells": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
