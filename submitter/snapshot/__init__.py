"""Which files travel with a run and by which rule, and the folder that is made of them."""

from submitter.snapshot.changes import changed, content_hash
from submitter.snapshot.collecting import Snapshot, collect
from submitter.snapshot.files import KeptOut, SnapshotFile
from submitter.snapshot.ignoring import Rule
from submitter.snapshot.limits import FILE_LIMIT, SIZE_LIMIT, refuse_too_many
from submitter.snapshot.staging import staged, warn_of_changes

__all__ = [
    "FILE_LIMIT",
    "SIZE_LIMIT",
    "KeptOut",
    "Rule",
    "Snapshot",
    "SnapshotFile",
    "changed",
    "collect",
    "content_hash",
    "refuse_too_many",
    "staged",
    "warn_of_changes",
]
