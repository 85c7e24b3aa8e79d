"""Azure DevOps: a pipeline."""

import json
import shlex

from submitter.account import PRINCIPAL
from submitter.schedule.rendering.request import EVERY_LOOK, Request
from submitter.schedule.triggers import triggers


def render(request: Request) -> dict[str, str]:
    """Return a pipeline's YAML."""
    command = ("submitter", *request.arguments(request.path_in_the_repository(), EVERY_LOOK))
    title = json.dumps(f"{request.job_file.name}, {request.schedule.zone}", ensure_ascii=False)
    crons = "".join(
        f"""\
  - cron: {json.dumps(each.cron)}
    displayName: {title}
    branches:
      include: [main]
    always: "true"
"""
        for each in triggers(request.schedule)
    )
    comment = request.comment(
        "The crons are in UTC, and those of all offsets that the zone has in two years.",
        "'always' starts it also when nothing was committed. The secrets are those of the variable",
        "group 'submitter' (Pipelines, Library): a pipeline's step gets a secret only by name.",
    )
    secrets = "".join(f"      {name}: $({name})\n" for name in PRINCIPAL)
    text = f"""\
{comment}trigger: none
pr: none
schedules:
{crons}\
pool:
  vmImage: ubuntu-latest
variables:
  - group: submitter
steps:
  - task: UsePythonVersion@0
    inputs:
      versionSpec: "3.11"
  - script: python -m pip install -r requirements.txt
    displayName: Install what requirements.txt names, submitter included
  - script: |
      {shlex.join(command)}
    displayName: Submit what is due
    env:
      CI: "1"
{secrets}"""
    return {f"{request.name}.yml": text}
