"""`submitter plan`: what a submit would do, with nothing sent."""

from typing import TYPE_CHECKING, Any

import typer

from submitter.cli.options import AllowPlaintext, AsJson, JobFile
from submitter.cli.output import print_json

if TYPE_CHECKING:
    from submitter.environment import EnvironmentDefinition
    from submitter.job import EnvironmentReference
    from submitter.planning import Plan


def plan(
    job_file: JobFile, *, allow_plaintext: AllowPlaintext = None, as_json: AsJson = False
) -> None:
    """Show what submitting a job would create, upload and run; nothing is sent."""
    from submitter.backends.v1_limits import refuse_what_v1_cannot_carry
    from submitter.job import Job
    from submitter.planning import plan

    made = plan(Job.from_file(job_file), allow_plaintext=allow_plaintext or ())
    refuse_what_v1_cannot_carry(made.job)
    if as_json:
        print_json(as_data(made))
    else:
        typer.echo(as_text(made))


def as_data(plan: "Plan") -> dict[str, Any]:
    """Return a plan as plain data, credentials masked."""
    from submitter.guard import shown

    job, chosen = plan.job, plan.environment
    return {
        "experiment": job.experiment,
        "display_name": job.display_name,
        "command": plan.command,
        "compute": job.compute,
        "instance_count": job.resources.instance_count,
        "timeout_seconds": job.limits.timeout,
        "environment": _environment(chosen),
        "variables": {name: shown(name, value) for name, value in plan.variables.items()},
        "tags": {name: shown(name, value) for name, value in job.tags.items()},
        "properties": {name: shown(name, value) for name, value in job.properties.items()},
        "snapshot": {
            "files": [{"path": str(file.path), "bytes": file.size} for file in plan.files],
            "bytes": plan.snapshot_size,
        },
        "warnings": list(plan.warnings),
    }


def as_text(plan: "Plan") -> str:
    """Return a plan for a person to read."""
    data = as_data(plan)
    own = [file for file in plan.files if file.path.parts[0] != "remote_entry"]
    sizes = f"{len(own)} files of yours, {len(plan.files) - len(own)} of remote_entry"
    lines = [
        f"experiment   {data['experiment']}",
        f"compute      {data['compute']}  ({data['instance_count']} instance(s))",
        f"environment  {data['environment']}",
        f"command      {data['command']}",
        f"snapshot     {sizes}, {plan.snapshot_size / 1e6:.2f} MB",
        *(f"             {file.path}  {file.size:,} bytes" for file in own),
        *(f"variable     {name} = {value}" for name, value in data["variables"].items()),
        *(f"tag          {name} = {value}" for name, value in data["tags"].items()),
        *(f"warning      {warning}" for warning in plan.warnings),
    ]
    return "\n".join(lines)


def _environment(chosen: "EnvironmentReference | EnvironmentDefinition") -> str:
    from submitter.environment import EnvironmentDefinition

    if isinstance(chosen, EnvironmentDefinition):
        return f"{chosen.name} (inline, content {chosen.content_hash[:12]})"
    return f"{chosen} ({'pinned' if chosen.version else 'latest'})"
