"""Data sets that cannot be locked, so that two runs meet in them."""

from pathlib import Path

from remote_entry.extract.storage.waiting import LOCK


def forbid_locks(data: Path) -> None:
    """Have a folder stand where an extract's lock should, in a data set that is not there yet."""
    (data / LOCK).mkdir(parents=True)
