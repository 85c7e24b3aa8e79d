"""One run at a time in a folder: flock(2) on a file there, which ends with the process."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from remote_entry.extract.storage.waiting import LOCK, Waiting, holder_in, holder_note, this_run

WAITING = Waiting(look=1.0)


@contextmanager
def folder_lock(
    root: Path, warn: Callable[[str], object], waiting: Waiting = WAITING
) -> Iterator[None]:
    """Keep other runs out of a data set; nobody, where files cannot be locked.

    Args:
        root: The data set; its folder is there.
        warn: Receives what was met and overcome.
        waiting: How long to wait for another run.

    Raises:
        ExtractError: Another run went on for longer.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context((root / LOCK).open("a+b", buffering=0))
            waiting.until_taken(
                lambda: _take(file),
                root,
                lambda: _other(file),
                warn,
                otherwise=f"end the process that has {LOCK} open",
            )
        except OSError as error:
            warn(
                f"{root} cannot be locked ({error.strerror}): two runs at once would do the same "
                "work twice. Each row is landed once all the same; going on"
            )
        else:
            stack.callback(fcntl.flock, file, fcntl.LOCK_UN)
            with suppress(OSError):  # only for whoever waits
                file.truncate(0)
                file.write(holder_note(this_run()))
        yield


def _take(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _other(file: IO[bytes]) -> str:
    file.seek(0)
    return holder_in(file.read())
