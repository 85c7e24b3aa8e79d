"""`submitter plan`: what a submit would do, with nothing sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from submitter.backends.base import ComputeTarget, Survey
    from submitter.planning import Plan
    from submitter.snapshot import SnapshotFile

_LARGEST_SHOWN = 20


@in_workspace
def plan(
    job_file: JobFile,
    *,
    open_workspace: OpenWorkspace,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the workspace what it has.")
    ] = False,
    all_files: Annotated[
        bool, typer.Option("--files", help="List every file, not only the largest.")
    ] = False,
    allow_plaintext: AllowPlaintext = None,
    as_json: AsJson = False,
) -> None:
    """Show what a submit would do; nothing is sent. What the workspace has of it is asked."""
    from submitter import summary
    from submitter.backends.azureml_core.limits import refuse_what_v1_cannot_carry
    from submitter.errors import SignInError, WorkspaceError
    from submitter.job import Job
    from submitter.planning import plan

    made = plan(Job.from_file(job_file), allow_plaintext=allow_plaintext or ())
    refuse_what_v1_cannot_carry(made.job)
    seen, unasked = None, "not asked (--offline)"
    if not offline:
        try:
            seen = _look(made, open_workspace)
        except (WorkspaceError, SignInError) as error:
            unasked = f"not asked: {error}"
    if as_json:
        print_json({**summary.as_data(made), "workspace": _as_data(seen) if seen else None})
        return
    for line in _lines(made, seen, None if all_files else _LARGEST_SHOWN):
        typer.echo(line)
    if seen is None:
        say(f"workspace    {unasked}")


@dataclass(frozen=True)
class _Seen:
    """What the workspace has of what the plan needs, and what it lacks of its snapshot."""

    survey: "Survey"
    to_upload: "Sequence[SnapshotFile]"


def _look(plan: "Plan", open_workspace: OpenWorkspace) -> _Seen:
    from submitter.backends.azureml_core import AzureMLCore

    backend = AzureMLCore(open_workspace())
    return _Seen(backend.survey(plan), backend.files_to_upload(plan))


def _as_data(seen: _Seen) -> dict[str, Any]:
    compute, registered = seen.survey.compute, seen.survey.environment
    return {
        "compute": vars(compute),
        "environment": {"name": registered.name, "version": registered.version}
        if registered
        else None,
        "to_upload": {
            "files": len(seen.to_upload),
            "bytes": sum(file.size for file in seen.to_upload),
        },
    }


def _lines(plan: "Plan", seen: _Seen | None, most: int | None) -> Iterator[str]:
    """Yield a plan, and what the workspace has of what it needs, for a person to read."""
    from submitter import summary

    data = summary.as_data(plan)
    compute = compute_line(seen.survey.compute) if seen else data["compute"]
    yield f"experiment   {data['experiment']}"
    yield f"compute      {compute}, {data['instance_count']} instance(s)"
    yield f"environment  {environment_line(plan, seen.survey if seen else None)}"
    yield f"command      {data['command']}"
    yield f"snapshot     {_snapshot_line(plan, seen)}"
    files = sorted(summary.own_files(plan), key=lambda file: -file.size)
    yield from _some([_file_line(file) for file in files], "file", most)
    kept_out = [f"{out.path}  ({out.rule})" for out in plan.kept_out]
    yield from _some(kept_out, "kept out", most)
    for kind, name in (("variable", "variables"), ("input", "inputs"), ("tag", "tags")):
        yield from (f"{kind:12} {key} = {value}" for key, value in data[name].items())
    if commit := plan.git.get("azureml.git.commit"):
        yield f"git          {commit[:12]} of {plan.git.get('azureml.git.branch', 'no branch')}"
    yield from (f"warning      {warning}" for warning in plan.warnings)


def _snapshot_line(plan: "Plan", seen: _Seen | None) -> str:
    from submitter import summary

    own, package = summary.own_files(plan), summary.package_files(plan)
    sizes = f"{len(own)} files of yours, {len(package)} of remote_entry, {_mb(plan.files)}"
    if seen is None:
        return sizes
    if not seen.to_upload:
        return f"{sizes}: unchanged, nothing to upload"
    return f"{sizes}; to upload: {len(seen.to_upload)} files, {_mb(seen.to_upload)}"


def _file_line(file: "SnapshotFile") -> str:
    rule = f"  ({file.rule})" if file.rule else ""
    return f"{file.path}  {file.size:,} bytes{rule}"


def _some(texts: "Sequence[str]", kind: str, most: int | None) -> Iterator[str]:
    shown = texts if most is None else texts[:most]
    yield from (f"{kind:12} {text}" for text in shown)
    if len(shown) < len(texts):
        yield f"{kind:12} … and {len(texts) - len(shown):,} more (--files lists all)"


def _mb(files: "Sequence[SnapshotFile]") -> str:
    return f"{sum(file.size for file in files) / 1e6:.2f} MB"


def environment_line(plan: "Plan", survey: "Survey | None") -> str:
    """Say which environment a run would use, and whether that has to be registered first."""
    from submitter import summary

    if survey is None:
        return summary.environment_text(plan)
    registered = survey.environment
    if registered is None:
        return f"{summary.environment_text(plan)}: new, will be registered"
    return f"azureml:{registered.name}:{registered.version}, registered already"


def compute_line(compute: "ComputeTarget") -> str:
    """Say what a compute target is and how it stands."""
    parts = [compute.name, compute.vm_size or compute.kind]
    if compute.most_nodes is not None:
        parts.append(f"{compute.nodes or 0} of {compute.most_nodes} nodes up")
    if compute.state != "Succeeded":
        parts.append(compute.state)
    return ", ".join(parts)
