"""``python -m remote_entry check``: every hop between a run's variables and its data, one by one.

Hops whose ground has failed are skipped; the others are tried all the same, so that one look shows
everything that is wrong. Nothing is changed anywhere, and no value is shown.
"""

from remote_entry.check.check import check
from remote_entry.hop import Hop, Outcome

__all__ = ["Hop", "Outcome", "check"]
