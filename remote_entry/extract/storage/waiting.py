"""Waiting for another run that lands in the same data set.

One at a time saves work. It does not make anything right: that each row lands once depends on the
names being free (``store``).
"""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remote_entry.errors import ExtractError
from remote_entry.extract.storage.locations import Location

LOCK = "_lock"


@dataclass(frozen=True)
class Waiting:
    """How long to wait for a data set that another run holds.

    Attributes:
        wait: Seconds, at most. A lease that is not renewed has ended by then.
        look: Seconds between two looks.
        clock: Seconds that never go back.
        sleep: Waits so many seconds.
    """

    wait: float = 75.0
    look: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def until_taken(
        self,
        take: Callable[[], bool],
        root: Location,
        other: Callable[[], str],
        warn: Callable[[str], object],
        *,
        otherwise: str,
    ) -> None:
        """Try to take a data set until it is free.

        Args:
            take: Takes it, and tells whether it was free.
            root: The data set.
            other: Says who holds it.
            warn: Is told that somebody does, once.
            otherwise: What to do if there is no such run.

        Raises:
            ExtractError: It was not free in time.
        """
        end, has_told = self.clock() + self.wait, False
        while not take():
            if self.clock() >= end:
                raise ExtractError(
                    f"Another run is landing in {root}: {other()} holds it, and still did after "
                    f"{self.wait:g} s",
                    kind="extract.held",
                    hint="wait until that run is over, then run again; if there is no such run, "
                    f"{otherwise}",
                )
            if not has_told:
                has_told = True
                warn(f"{root} is held by {other()}; waiting for it, up to {self.wait:g} s")
            self.sleep(self.look)


def holder_note(holder: str) -> bytes:
    """Return what a lock says of who holds it, from now on."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"holder": holder, "since": since}).encode()


def holder_in(note: bytes) -> str:
    """Return who holds a lock, as far as they have said so."""
    try:
        known: Any = json.loads(note)
        return f"{known['holder']} since {known['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"


def this_run() -> str:
    """Return how this process is called where others read it."""
    return os.environ.get("AZUREML_RUN_ID") or f"process {os.getpid()} of {platform.node()}"
