"""A rank above 0: one process that reads, and one that starts it again.

Under ``mpirun`` a rank that dies ends the job, so what may be killed (reading takes memory) is a
child of the rank. It is forked before anything is connected or any thread has begun.
"""

import mmap
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.orphans import end_with_the_parent
from remote_entry.extract.workers.ranks import DEADLINE_VARIABLE, End, Rank
from remote_entry.termination import stops_later

_MOST_STARTS = 5
_RETURN_SECONDS = 3.0  # in which rank 0 must be there again after a broken connection

# How a child ends that was let go, has lost rank 0, or has never met it; no code of an error's.
_OVER, _LOST, _ABSENT = 0, 75, 76

Serve = Callable[[float, Callable[[], object]], End]


def serve_rank_zero(rank: Rank, serve: Serve, say: Callable[[str], object]) -> int:
    """Read for rank 0 until it has ended.

    Args:
        rank: This process's place.
        serve: Called in a child with the seconds in which rank 0 must be there, and with what it
            calls when it was. What it raises is the child's end.
        say: Receives lines for the log.

    Returns:
        0, or the exit code of a child that failed.

    Raises:
        ExtractError: Rank 0 is not there, or child after child was killed.
        RemoteEntryError: In the child, what it failed with.
    """
    patience, has_met = rank.patience, mmap.mmap(-1, 1)  # a byte that the children share
    for _ in range(_MOST_STARTS):
        with stops_later():
            child = os.fork()
        if not child:
            _be_child(rank, serve, patience, has_met, say)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == _ABSENT:
            raise _gone(rank) if has_met[0] else _never_came(rank)
        patience = _RETURN_SECONDS if has_met[0] else rank.patience
        if code == _LOST:
            say(f"warning: {rank} has lost rank 0, and looks for it for {patience:.0f} s")
        elif code < 0:
            say(f"warning: {rank}: signal {-code} ended the process that reads; it starts again")
        else:
            return code
    raise ExtractError(
        f"The reading process of {rank} was ended from outside {_MOST_STARTS} times",
        kind="extract.workers-gone",
        hint="if memory was short, take more partitions or larger nodes; run again: what was "
        "committed stays",
    )


def _be_child(
    rank: Rank, serve: Serve, patience: float, has_met: mmap.mmap, say: Callable[[str], object]
) -> NoReturn:
    """Serve, and end; a thread that still reads is nobody's concern any more."""
    end_with_the_parent()  # mpirun ends the rank alone
    end = serve(patience, lambda: has_met.write_byte(1))
    if end.farewell:
        say(f"{rank} ends: {end.farewell}")
    sys.stdout.flush()
    os._exit(_OVER if end.farewell else _LOST if end.has_met else _ABSENT)


def _never_came(rank: Rank) -> ExtractError:
    return ExtractError(
        f"{rank} did not find rank 0 at port {rank.port} of {rank.host} within "
        f"{rank.patience:.0f} s",
        kind="extract.rank-zero-absent",
        hint="look into rank 0's log; if its node was late, set "
        f"{DEADLINE_VARIABLE} to more seconds",
    )


def _gone(rank: Rank) -> ExtractError:
    return ExtractError(
        f"Rank 0 at port {rank.port} of {rank.host} has gone without a word: {rank} ends, too",
        kind="extract.rank-zero-gone",
        hint="look into rank 0's log; run again: what was committed stays",
    )
