"""A rank above 0: one process that reads, and one that starts it again.

Under ``mpirun`` a rank that dies ends the job, so what may be killed (reading takes memory) is a
child of the rank. It is forked before anything is connected or any thread has begun.
"""

import os
import signal
import sys
from collections.abc import Callable

from remote_entry.errors import ExtractError
from remote_entry.extract.workers.ranks import DEADLINE_VARIABLE, Rank

_MOST_STARTS = 5
_RETURN_SECONDS = 10.0  # in which rank 0 must be there again after a broken connection

# How a child ends that was let go, has lost rank 0, or has never met it; no code of an error's.
_OVER, _LOST, _ABSENT = 0, 75, 76

Serve = Callable[[float], tuple[bool, str]]


def serve_rank_zero(rank: Rank, serve: Serve, say: Callable[[str], object]) -> int:
    """Read for rank 0 until it has ended.

    Args:
        rank: This process's place.
        serve: Serves rank 0 in a child, given seconds in which rank 0 must be there; returns
            whether it was, and what it said in the end. What it raises is the child's end.
        say: Receives lines for the log.

    Returns:
        0, or a child's exit code if that failed for good; in a child that failed, nothing: the
        error goes up to whoever called.

    Raises:
        ExtractError: Rank 0 is not there, or child after child was killed.
    """
    patience, has_met = rank.patience, False
    for _ in range(_MOST_STARTS):
        child = os.fork()
        if not child:
            _be_child(serve, patience, say)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == _ABSENT:
            raise _gone(rank) if has_met else _never_came(rank)
        if code >= 0 and code != _LOST:
            return code
        has_met, patience = True, _RETURN_SECONDS
        if code == _LOST:
            say(f"{rank} has lost rank 0, and looks for it for {patience:.0f} s")
        else:
            patience = rank.patience
            name = signal.Signals(-code).name
            say(f"warning: the reading process of {rank} was ended by {name}; it starts again")
    raise ExtractError(
        f"The reading process of {rank} was ended from outside {_MOST_STARTS} times",
        kind="extract.workers-gone",
        hint="if memory was short, take more partitions or larger nodes; run again: what was "
        "committed stays",
    )


def _be_child(serve: Serve, patience: float, say: Callable[[str], object]) -> None:
    """Serve, and end; a thread that still reads is nobody's concern any more."""
    has_met, farewell = serve(patience)
    if farewell:
        say(farewell)
    sys.stdout.flush()
    os._exit(_OVER if farewell else _LOST if has_met else _ABSENT)


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
