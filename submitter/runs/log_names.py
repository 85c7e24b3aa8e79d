"""The log files of a run: which one is the main one, which a user means, what to call them."""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

# The main log by age of the service's runtime. A distributed run numbers its processes; a run that
# the service started again, such as after a preemption, its attempts.
_RETRY = r"(?:retry_(?P<attempt>\d+)/)?"
_MAIN_LOGS = (
    re.compile(rf"user_logs/{_RETRY}std_log\.txt"),
    re.compile(rf"user_logs/{_RETRY}std_log_process_0+\.txt"),
    re.compile(rf"azureml-logs/{_RETRY}70_driver_log(_0+)?\.txt"),
)
# What the nodes and processes of a run wrote, and not the service about them.
_OF_NODES = re.compile(r"user_logs/.+|azureml-logs/70_.+")
ALL_LOGS = "*"


def main_log(names: Iterable[str]) -> str | None:
    """Return the name of the log with the command's output: that of its last attempt, if any."""
    known = list(names)
    for main in _MAIN_LOGS:
        found = [match for name in known if (match := main.fullmatch(name))]
        if found:
            return max(found, key=lambda match: int(match["attempt"] or 0))[0]
    return None


def choose(names: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Return the logs that a user means.

    Args:
        names: The run's logs.
        wanted: Names, short names or patterns such as `system_logs/*`; ALL_LOGS for the logs of
            all nodes and processes; none for the main log.
    """
    known = sorted(names)
    if not wanted:
        main = main_log(known)
        return [main] if main else []
    return [name for name in known if any(_means(text, name) for text in wanted)]


def short_name(name: str) -> str:
    """Return what a log is called beside its lines, such as `std_log_process_1`."""
    path = PurePosixPath(name)
    return f"{path.parent.name}/{path.stem}" if path.parent.name.startswith("retry_") else path.stem


def _means(text: str, name: str) -> bool:
    if text == ALL_LOGS:
        return bool(_OF_NODES.fullmatch(name))
    return text in (name, short_name(name), PurePosixPath(name).name) or fnmatchcase(name, text)
