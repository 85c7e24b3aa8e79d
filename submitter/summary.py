"""A plan as plain data, fit to be shown and kept: credentials are masked in it."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from submitter import guard
from submitter.environment import EnvironmentDefinition
from submitter.planning import Plan
from submitter.snapshot import SnapshotFile, content_hash

# A larger file counts as changed if its size or its time changed: hashing it takes too long.
_HASHED_UP_TO = 100_000  # bytes
_PACKAGE = "remote_entry"


def as_data(plan: Plan, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what a submit would create, upload and run.

    Args:
        plan: The plan.
        environ: This machine's variables: a value of theirs that was let through is masked, too.

    Returns:
        Texts, numbers, lists and mappings; every credential is masked.
    """
    job = plan.job
    search = guard.Search(guard.own_forms(environ))
    return {
        "experiment": job.experiment,
        "display_name": _searched(job.display_name, search),
        "command": _searched(plan.command, search),
        "compute": job.compute,
        "instance_count": job.resources.instance_count,
        "timeout_seconds": job.limits.timeout,
        "environment": environment_text(plan),
        "inputs": _masked({name: str(value) for name, value in job.inputs.items()}),
        "variables": _masked(plan.variables),
        "tags": _masked(job.tags),
        "properties": _masked(job.properties),
        "git": dict(plan.git),
        "snapshot": {
            "files": [
                {
                    "path": str(file.path),
                    "bytes": file.size,
                    "rule": str(file.rule) if file.rule else None,
                }
                for file in plan.files
            ],
            "kept_out": [{"path": out.path, "rule": str(out.rule)} for out in plan.kept_out],
            "bytes": plan.snapshot_size,
        },
        "warnings": list(plan.warnings),
    }


def fingerprint(plan: Plan) -> dict[str, str]:
    """Return everything that makes a run another run, each thing under a name of its own.

    Two plans whose fingerprints are equal run the same code in the same way.
    """
    data = as_data(plan)
    package = "".join(_content(file) for file in package_files(plan))
    data["remote_entry"] = hashlib.sha256(package.encode()).hexdigest()
    data["file"] = {str(file.path): _content(file) for file in own_files(plan)}
    if isinstance(plan.environment, EnvironmentDefinition):
        data["environment"] = plan.environment.content_hash[:12]
    for nameless in ("snapshot", "warnings", "git"):  # the files themselves say more
        del data[nameless]
    return dict(_flat(data))


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say what changed from one fingerprint to another, a line each."""
    lines = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if old is None or new is None:
            lines.append(f"{name}: {'new' if old is None else 'gone'}")
        elif name.startswith("file ") or name == "remote_entry":
            lines.append(f"{name}: changed")
        else:
            lines.append(f"{name}: {old} → {new}")
    return lines


def own_files(plan: Plan) -> list[SnapshotFile]:
    """Return the files of a plan that are the user's."""
    return [file for file in plan.files if file.path.parts[0] != _PACKAGE]


def package_files(plan: Plan) -> list[SnapshotFile]:
    """Return the files of a plan that are remote_entry's."""
    return [file for file in plan.files if file.path.parts[0] == _PACKAGE]


def environment_text(plan: Plan) -> str:
    """Say which environment a plan asks for."""
    chosen = plan.environment
    if isinstance(chosen, EnvironmentDefinition):
        return f"{chosen.name} (inline, content {chosen.content_hash[:12]})"
    return f"{chosen} ({'pinned' if chosen.version else 'latest'})"


def _masked(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: guard.shown(name, text) for name, text in texts.items()}


def _searched(text: str | None, search: guard.Search) -> str | None:
    """Mask a text that has no name to tell by."""
    held = text and any(search.in_text(text.encode("utf-8", "surrogateescape")))
    return guard.MASK if held else text


def _content(file: SnapshotFile) -> str:
    if file.size > _HASHED_UP_TO:
        return f"{file.size} bytes of {file.source.stat().st_mtime_ns}"
    return content_hash(file)


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {key}", text) for key, text in value.items())
        elif value is not None:
            yield name, str(value)
