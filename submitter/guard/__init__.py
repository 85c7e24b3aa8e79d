"""Nothing secret travels: whoever can read the workspace can read a run."""

from submitter.guard.files import in_files
from submitter.guard.findings import Finding, described, refuse
from submitter.guard.own_values import own_forms
from submitter.guard.search import Hit, Search
from submitter.guard.texts import in_texts, in_variables, masked
from submitter.guard.variables import (
    MASK,
    holds_credential,
    looks_like_credential,
    shown,
    texts_in,
)

__all__ = [
    "MASK",
    "Finding",
    "Hit",
    "Search",
    "described",
    "holds_credential",
    "in_files",
    "in_texts",
    "in_variables",
    "looks_like_credential",
    "masked",
    "own_forms",
    "refuse",
    "shown",
    "texts_in",
]
