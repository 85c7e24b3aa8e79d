"""Partitions on the other ranks of a job: rank 0 plans, verifies and commits, the others read.

What travels is the spec, the attempt's folder and a partition's number: no secret, and no row.
Each rank signs in and connects by itself, and writes where all of them see it.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from remote_entry.errors import ExtractError, SettingsError
from remote_entry.extract.files import Files
from remote_entry.extract.landing import Attempt
from remote_entry.extract.parts import place_of
from remote_entry.extract.source import Source
from remote_entry.extract.spec import Spec
from remote_entry.extract.watch import Watch
from remote_entry.extract.workers.base import portable, read_in_worker
from remote_entry.extract.workers.cluster_key import derive_key
from remote_entry.extract.workers.rank_process import serve_rank_zero
from remote_entry.extract.workers.ranks import Rank
from remote_entry.supervision.handover import Bundle

if TYPE_CHECKING:
    from remote_entry.extract.workers.cluster import Tell

_TELL_SECONDS = 0.25
