"""What would change if docker/ were registered: Dockerfile, image, packages, variables."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from submitter import guard
from submitter.environment import EnvironmentDefinition

_CONDA_SPEC = re.compile(r"\s*([\w.\-]+(?:::[\w.\-]+)?)\s*(.*)")


@dataclass(frozen=True)
class Change:
    """One thing in which two environments differ.

    Attributes:
        part: `Dockerfile`, `image`, `conda`, `pip` or `variable`.
        name: What it is called there: a line, a package, a variable.
        before: What it was; `None` if it was not there.
        after: What it is now; `None` if it is gone. Credentials are masked in both.
    """

    part: str
    name: str
    before: str | None
    after: str | None


def changes(
    before: EnvironmentDefinition,
    after: EnvironmentDefinition,
    environ: Mapping[str, str] = os.environ,
) -> Sequence[Change]:
    """Hold two environments against each other.

    Args:
        before: Usually the one that is registered.
        after: Usually the one in docker/.
        environ: This machine's variables, whose credentials are masked.

    Returns:
        Every change; none if and only if both have the same content hash, so that registering
        would keep the version.
    """
    found = [
        *_lines(before.dockerfile, after.dockerfile),
        *_entries("image", {"": before.image or None}, {"": after.image or None}),
        *_conda(before.conda, after.conda),
        *_entries("variable", before.variables, after.variables),
    ]
    if not found and before.content_hash != after.content_hash:
        found.append(Change("conda", "order", "the same entries", "in another order"))
    search = guard.Search(guard.own_forms(environ))
    return [_masked(change, search) for change in found]


def _lines(before: str | None, after: str | None) -> Iterator[Change]:
    old, new = ((text or "").strip().splitlines() for text in (before, after))
    for tag, i, i_end, j, j_end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        pairs = zip_longest(old[i:i_end], new[j:j_end])
        for offset, (was, now) in enumerate(pairs):
            line = (i if now is None else j) + offset + 1
            yield Change("Dockerfile", f"line {line}", was, now)


def _conda(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Change]:
    old, new = before or {}, after or {}
    old_others = {key: json.dumps(value) for key, value in old.items() if key != "dependencies"}
    new_others = {key: json.dumps(value) for key, value in new.items() if key != "dependencies"}
    yield from _entries("conda", old_others, new_others)
    yield from _entries("conda", _conda_packages(old), _conda_packages(new))
    yield from _entries("pip", _pip_packages(old), _pip_packages(new))


def _conda_packages(conda: Mapping[str, Any]) -> Mapping[str, str]:
    packages: dict[str, str] = {}
    for dependency in conda.get("dependencies", ()):
        found = _CONDA_SPEC.fullmatch(dependency) if isinstance(dependency, str) else None
        if found:
            packages[found[1]] = found[2]
    return packages


def _pip_packages(conda: Mapping[str, Any]) -> Mapping[str, str]:
    packages: dict[str, str] = {}
    for dependency in conda.get("dependencies", ()):
        for line in dependency.get("pip", ()) if isinstance(dependency, dict) else ():
            try:
                name = Requirement(line).name
            except InvalidRequirement:  # registered by other means than ours
                packages[line] = ""
            else:
                packages[canonicalize_name(name)] = line.strip()[len(name) :].strip()
    return packages


def _entries(
    part: str, before: Mapping[str, str | None], after: Mapping[str, str | None]
) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Change(part, name, old, new)


def _masked(change: Change, search: guard.Search) -> Change:
    """Mask what was compared as it is: two credentials look alike then."""
    by_name = change.name if change.part == "variable" else "environment"
    before, after = (
        None if text is None else guard.masked(guard.shown(by_name, text), search)
        for text in (change.before, change.after)
    )
    return replace(change, name=guard.masked(change.name, search), before=before, after=after)
