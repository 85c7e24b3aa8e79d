"""A rank's two processes: the one that serves may be killed, the other may not."""

import subprocess
import sys

import pytest

SCRIPT = """\
import os, signal, sys
from remote_entry.errors import RemoteEntryError, VaultError
from remote_entry.extract.workers.rank_process import serve_rank_zero
from remote_entry.extract.workers.ranks import End, Rank

starts = iter(sys.argv[1].split())
waited = []

def serve(patience, admitted):
    what = next_one
    print(what, int(patience), flush=True)
    if what not in {"absent", "early"}:
        admitted()
    if what == "early":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "refused":
        raise VaultError("no access", kind="vault.x")
    return End(has_met=what != "absent", farewell="rank 0 has ended" if what == "ended" else "")

fork = os.fork

def counted_fork():
    global next_one
    next_one = next(starts)
    return fork()

os.fork = counted_fork
try:
    code = serve_rank_zero(Rank(1, 2, "node-0", 6105, "job", 600.0), serve, print)
except RemoteEntryError as error:
    print(error.kind, error)
    code = error.exit_code
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("starts", "code", "said"),
    [
        ("ended", 0, "rank 1 of 2 ends: rank 0 has ended"),
        ("killed ended", 0, "signal 9 ended the process that reads; it starts again\nended 3"),
        ("early ended", 0, "signal 9 ended the process that reads; it starts again\nended 600"),
        ("killed absent", 7, "has gone without a word: rank 1 of 2 ends, too"),
        ("killed " * 5, 7, "extract.workers-gone"),
        ("absent", 7, "did not find rank 0 at port 6105 of node-0 within 600 s"),
        ("lost ended", 0, "has lost rank 0, and looks for it for 3 s\nended 3"),
        ("lost absent", 7, "has gone without a word: rank 1 of 2 ends, too"),
        ("refused", 5, "vault.x no access"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 15 else "",
)
def test_a_rank_ends_as_its_child_says(starts: str, code: int, said: str) -> None:
    """It starts one that was killed again, and tells rank 0's end from its disappearance."""
    done = subprocess.run(
        [sys.executable, "-u", "-c", SCRIPT, starts],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout
    assert done.stderr == ""
