"""Follow a run: its status and its log, by byte offset."""

import time
from collections.abc import Callable, Iterator, Mapping

from submitter.backends.base import LOG_PIECE, RemoteRun, RunDetails
from submitter.errors import ServiceError

# The main log by age of the service's runtime; a distributed run numbers its processes.
_MAIN_LOGS = (
    "user_logs/std_log.txt",
    "user_logs/std_log_process_0.txt",
    "user_logs/std_log_process_00.txt",
    "azureml-logs/70_driver_log.txt",
)
_POLL_SECONDS = 1.0
_PATIENCE = 10  # failed polls in a row before giving up


def follow(
    run: RemoteRun,
    *,
    write: Callable[[bytes], object] | None = None,
    on_status: Callable[[str], object] = lambda _: None,
    sleep: Callable[[float], object] = time.sleep,
) -> RunDetails:
    """Pass the run's log on as it is written, until the run has ended.

    Args:
        run: The run.
        write: Receives each new piece of the main log, every byte once and in order; without it
            only the status is watched.
        on_status: Receives each new status.
        sleep: Waits between two looks, in seconds.

    Returns:
        How the run stood at its end.

    Raises:
        ServiceError: The service did not answer for a while; the run itself goes on.
    """
    status, failures = "", 0
    read: dict[str, int] = {}  # log → bytes passed on
    while True:
        try:
            details = run.details()
            if details.status != status and not details.has_ended:
                status = details.status
                on_status(status)
            name = main_log(details.logs)
            if write and name:
                for piece in log_pieces(run, details.logs[name], read.get(name, 0)):
                    write(piece)
                    read[name] = read.get(name, 0) + len(piece)
            failures = 0
        except ServiceError:
            failures += 1
            if failures > _PATIENCE:
                raise
            sleep(_POLL_SECONDS)
            continue
        if details.has_ended:
            on_status(details.status)
            return details
        sleep(_POLL_SECONDS)


def main_log(logs: Mapping[str, str]) -> str | None:
    """Return the name of the log that holds the command's output, if it is there yet."""
    return next((name for name in _MAIN_LOGS if name in logs), None)


def log_pieces(run: RemoteRun, address: str, offset: int = 0) -> Iterator[bytes]:
    """Read a log from a byte offset to its present end, piece by piece."""
    while piece := run.read_log(address, offset):
        yield piece
        offset += len(piece)
        if len(piece) < LOG_PIECE:
            return
