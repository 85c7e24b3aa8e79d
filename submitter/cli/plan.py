"""`submitter plan`: what a submit would do, with nothing sent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from submitter.cli.options import AllowPlaintext, AsJson, JobFile, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say

if TYPE_CHECKING:
    from submitter.backends.base import ComputeTarget, Survey
    from submitter.planning import Plan


@in_workspace
def plan(
    job_file: JobFile,
    *,
    open_workspace: OpenWorkspace,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the workspace what it has.")
    ] = False,
    allow_plaintext: AllowPlaintext = None,
    as_json: AsJson = False,
) -> None:
    """Show what submitting a job would create, upload and run; nothing is sent."""
    from submitter import summary
    from submitter.backends.v1_limits import refuse_what_v1_cannot_carry
    from submitter.errors import SignInError, WorkspaceError
    from submitter.job import Job
    from submitter.planning import plan

    made = plan(Job.from_file(job_file), allow_plaintext=allow_plaintext or ())
    refuse_what_v1_cannot_carry(made.job)
    survey, unasked = None, "not asked (--offline)"
    if not offline:
        try:
            survey = _survey(made, open_workspace)
        except (WorkspaceError, SignInError) as error:
            unasked = f"not asked: {error}"
    data = {**summary.as_data(made), "workspace": _as_data(survey) if survey else None}
    if as_json:
        print_json(data)
        return
    typer.echo(as_text(made, survey))
    if survey is None:
        say(f"workspace    {unasked}")


def _survey(plan: "Plan", open_workspace: OpenWorkspace) -> "Survey":
    from submitter.backends.azureml_core import AzureMLCore

    return AzureMLCore(open_workspace()).survey(plan)


def _as_data(survey: "Survey") -> dict[str, Any]:
    compute, registered = survey.compute, survey.environment
    return {
        "compute": vars(compute),
        "environment": {"name": registered.name, "version": registered.version}
        if registered
        else None,
    }


def as_text(plan: "Plan", survey: "Survey | None") -> str:
    """Return a plan, and what the workspace has of what it needs, for a person to read."""
    from submitter import summary

    data = summary.as_data(plan)
    own = [file for file in plan.files if file.path.parts[0] != "remote_entry"]
    sizes = f"{len(own)} files of yours, {len(plan.files) - len(own)} of remote_entry"
    instances = f"{data['instance_count']} instance(s)"
    lines = [
        f"experiment   {data['experiment']}",
        f"compute      {compute_line(survey.compute) if survey else data['compute']}, {instances}",
        f"environment  {environment_line(plan, survey)}",
        f"command      {data['command']}",
        f"snapshot     {sizes}, {plan.snapshot_size / 1e6:.2f} MB",
        *(f"             {file.path}  {file.size:,} bytes" for file in own),
        *(f"variable     {name} = {value}" for name, value in data["variables"].items()),
        *(f"tag          {name} = {value}" for name, value in data["tags"].items()),
        *([f"git          {_commit(plan.git)}"] if plan.git else []),
        *(f"warning      {warning}" for warning in plan.warnings),
    ]
    return "\n".join(lines)


def environment_line(plan: "Plan", survey: "Survey | None") -> str:
    """Say which environment a run would use, and whether that has to be registered first."""
    from submitter import summary

    if survey is None:
        return str(summary.as_data(plan)["environment"])
    registered = survey.environment
    if registered is None:
        return f"{summary.as_data(plan)['environment']}: new, will be registered"
    return f"azureml:{registered.name}:{registered.version}, registered already"


def compute_line(compute: "ComputeTarget") -> str:
    """Say what a compute target is and how it stands."""
    parts = [compute.name, compute.vm_size or compute.kind]
    if compute.most_nodes is not None:
        parts.append(f"{compute.nodes or 0} of {compute.most_nodes} nodes up")
    if compute.state != "Succeeded":
        parts.append(compute.state)
    return ", ".join(parts)


def _commit(properties: Mapping[str, str]) -> str:
    known = [properties.get(f"azureml.git.{name}", "") for name in ("branch", "commit")]
    changed = "changed since" if properties.get("azureml.git.dirty") == "True" else ""
    address = properties.get("azureml.git.repository_uri", "")
    return ", ".join(text for text in (known[0], known[1][:12], changed, address) if text)
