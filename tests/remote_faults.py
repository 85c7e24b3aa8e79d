"""The fault matrix of the run's side: each service that it asks, and each way in which that fails.

A cell is a real process on a played Azure: `python -m remote_entry check --json`, or a script's
`read_frame`. It has to end in time, with the right kind of error and the right exit code, and
without a secret in anything it wrote.
"""

import dataclasses
import json
import os
import queue
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from remote_fault_cells import (
    CELLS,
    CERTIFIED,
    EXPIRED_CLIENT_ID,
    EXPIRED_CLIENT_SECRET,
    MANAGED,
    OUT_OF_DATE,
    WRONG_CLIENT_SECRET,
    RemoteCell,
    Rule,
)
from support.certificates import private, self_signed
from support.forked_run import ForkedRun, begin, start_the_server
from support.value_encodings import encodings_of

from submitter.emulator import Emulator

__all__ = ["CELLS", "RemoteCell", "Row", "run_cells"]

VAULT = "https://kv-faults.vault.azure.net"
CANARIES = {
    "client secret": "canary;client}secret",
    "expired client secret": EXPIRED_CLIENT_SECRET,
    "wrong client secret": WRONG_CLIENT_SECRET,
    "user": "canary_reader",
    "password": "canary;{pass}word'1",
    "another secret": "canary/another+secret",
}
SIDE_BY_SIDE = 4  # most of a cell's time is waiting
ROWS = 20_000
QUERY = "SELECT number, word FROM dbo.numbers"


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of a cell; the columns of build/faults.json."""

    where: str
    fault: str
    expected: str
    got: str
    seconds: float
    ok: bool


@dataclasses.dataclass(frozen=True)
class Lane:
    """A played Azure for one cell at a time.

    Attributes:
        azure: The emulator.
        folder: Where the lane keeps its files.
    """

    azure: Emulator
    folder: Path

    def run(self, cell: RemoteCell) -> Row:
        """Break one thing, start a process, and judge what became of it."""
        self.azure.faults.clear()
        self.azure.sql.faults.clear()
        rule = cell.play(self.azure) if cell.play else None
        output = self.folder / "output"
        output.unlink(missing_ok=True)  # a process that dies early must not be judged by another's
        started = time.monotonic()
        run = ForkedRun(_be_the_run, cell.program, self._environ(cell), output)
        exit_code = run.end(cell.within)
        seconds = time.monotonic() - started
        content = output.read_bytes() if output.exists() else b""
        kind = "hung" if exit_code is None else _kind_of(content)
        wrong = list(self._wrong(cell, rule, content))
        if (kind, exit_code) != (cell.kind, cell.exit_code):
            wrong.append(_told_by(content))
        return Row(
            cell.service,
            cell.fault,
            f"{cell.kind or 'well'}, exit {cell.exit_code}",
            " ".join([f"{kind or 'well'}, exit {exit_code}", *wrong]),
            round(seconds, 1),
            ok=not wrong,
        )

    def _environ(self, cell: RemoteCell) -> dict[str, str]:
        """Return the variables of a run in which only one thing is wrong."""
        environ: dict[str, str | None] = {
            **self.azure.environ,
            **self.azure.managed_identity("compute"),
            "NO_PROXY": "localhost,127.0.0.1,.invalid",
            "no_proxy": "localhost,127.0.0.1,.invalid",
            "KEY_VAULT_URL": VAULT,
            "AZURE_SECRET_1": "sql-username",
            "AZURE_SECRET_2": "sql-password",
            "SQL_DATABASE": "flights",
            "PATH": os.environ["PATH"],
            **cell.variables,
        }
        # Files are named as they lie in the lane's folder.
        return {
            name: str(self.folder / value) if value.endswith(".pem") else value
            for name, value in environ.items()
            if value is not None
        }

    def _wrong(self, cell: RemoteCell, rule: Rule | None, content: bytes) -> Iterator[str]:
        """Say what is wrong besides kind and exit code."""
        if rule is not None:
            struck = cell.times - (rule.left if hasattr(rule, "left") else rule.remaining)
            if struck == 0:
                yield "[the fault was never met]"
            elif cell.strikes not in (None, struck):
                yield f"[met {struck} times, not {cell.strikes}]"
        for name, value in CANARIES.items():
            if encodings := encodings_of(value, content):
                yield f"[LEAK: {name} ({', '.join(encodings)})]"
        if b"eyJ" in content:
            yield "[LEAK: a token]"
        if b"Traceback" in content:
            yield "[traceback]"


def _kind_of(content: bytes) -> str:
    """Return the kinds of all errors that a process told; empty if it told that all is well."""
    hops = _hops_in(content)
    if not hops:
        return "no document"
    kinds = dict.fromkeys(hop["kind"] for hop in hops if hop["kind"])
    if not kinds and any(hop["outcome"] == "skipped" for hop in hops):
        return "skipped without an error"
    return ", ".join(kinds)


def _told_by(content: bytes) -> str:
    """Return what a process said of its errors, or else the end of its output."""
    details = [hop["detail"] for hop in _hops_in(content) if hop["kind"]]
    return "; ".join(details) or content.decode()[-600:]


def _hops_in(content: bytes) -> list[dict[str, str]]:
    """Return the hops of a process's document; none if it wrote no whole one."""
    text = content.decode()
    try:
        document = json.JSONDecoder().raw_decode(text[text.index("{\n") :])[0]
    except ValueError:
        return []
    hops: list[dict[str, str]] = document["hops"]
    return hops


def run_cells(cells: Sequence[RemoteCell], folder: Path) -> Iterator[Row]:
    """Run cells, several at the same time and each on a played Azure of its own.

    Args:
        cells: What to run.
        folder: Where the played ones keep their files.

    Yields:
        What became of them, in their order.
    """
    with ExitStack() as stack:
        free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for number in range(min(SIDE_BY_SIDE, len(cells))):
            free.put(stack.enter_context(lane(folder / f"lane-{number}")))

        def run(cell: RemoteCell) -> Row:
            taken = free.get()
            try:
                return taken.run(cell)
            finally:
                free.put(taken)

        yield from stack.enter_context(ThreadPoolExecutor(SIDE_BY_SIDE)).map(run, cells)


@contextmanager
def lane(folder: Path) -> Iterator[Lane]:
    """Play an Azure whose every secret is a canary."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{number},word-{number}\n" for number in range(ROWS))
    (folder / "numbers.csv").write_text(f"number,word\n{lines}")
    trustme.CA().cert_pem.write_to_path(str(folder / "other_ca.pem"))
    keys = {}
    for name, days in (("registered", (-1, 1)), ("other_key", (-1, 1)), ("old_key", (-9, -2))):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        keys[name] = self_signed(key, *days)
        (folder / f"{name}.pem").write_bytes(private(key) + keys[name])
        (folder / f"{name}.cer").write_bytes(keys[name])
    config = {
        "service_principals": [
            {
                "client_id": "44444444-4444-4444-4444-444444444444",
                "client_secret": CANARIES["client secret"],
            },
            {
                "name": "old",
                "client_id": EXPIRED_CLIENT_ID,
                "client_secret": CANARIES["expired client secret"],
                "expired": True,
            },
            {"name": "certified", "client_id": CERTIFIED, "certificate": folder / "registered.cer"},
            {"name": "late", "client_id": OUT_OF_DATE, "certificate": folder / "old_key.cer"},
        ],
        "managed_identities": [{"name": "compute", "client_id": MANAGED}],
        "vaults": {
            "kv-faults": {
                "sql-username": CANARIES["user"],
                "sql-password": CANARIES["password"],
                "another": CANARIES["another secret"],
                "expired": {"value": CANARIES["another secret"], "expires_in_days": -3},
            }
        },
        "sql": {
            "logins": {CANARIES["user"]: {"secret": "sql-password"}},
            "databases": {"flights": {"tables": {"numbers": {"csv": str(folder / "numbers.csv")}}}},
        },
    }
    with Emulator(config, state=folder / "state") as azure:
        start_the_server()
        yield Lane(azure, folder)


def _be_the_run(program: str, environ: Mapping[str, str], output: Path) -> None:
    """Be the process of a cell: other variables, other output, then the program."""
    begin(environ, output)
    if program == "check":
        from remote_entry.__main__ import main

        sys.exit(main(["check", "--json"]))
    from remote_entry import RemoteEntryError, read_frame

    try:
        frame = read_frame(QUERY)
    except RemoteEntryError as error:
        # What `check` would say, so that both programs are judged alike.
        hop = {"name": "read", "kind": error.kind, "outcome": "failed", "detail": str(error)}
        print(json.dumps({"hops": [hop]}, indent=2))
        sys.exit(error.exit_code)
    if len(frame) != ROWS or frame["number"].sum() != ROWS * (ROWS - 1) // 2:
        sys.exit(f"{len(frame)} rows arrived, and no error")
    print(json.dumps({"hops": [{"name": "read", "kind": "", "outcome": "ok"}]}, indent=2))
