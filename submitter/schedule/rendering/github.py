"""GitHub Actions: a workflow."""

import json
import shlex

from submitter.account import PRINCIPAL
from submitter.errors import InputError
from submitter.schedule.instants import Schedule
from submitter.schedule.rendering.request import EVERY_LOOK, Request
from submitter.schedule.triggers import triggers

_SHORTEST = 5  # minutes between two triggers, says GitHub
_DAY = 24 * 60


def render(request: Request) -> dict[str, str]:
    """Return a workflow for .github/workflows.

    Raises:
        InputError: The schedule is denser than GitHub's.
    """
    _refuse_what_is_too_dense(request.schedule)
    command = ("submitter", *request.arguments(request.path_in_the_repository(), EVERY_LOOK))
    comment = request.comment(
        "The crons are in UTC, and those of all offsets that the zone has in two years.",
        "GitHub starts workflows late at times, drops some, and stops after 60 days without a",
        "commit. The secrets are the repository's (Settings, Secrets and variables, Actions).",
    )
    crons = "".join(f"    - cron: {json.dumps(each.cron)}\n" for each in triggers(request.schedule))
    secrets = "".join(f"          {name}: ${{{{ secrets.{name} }}}}\n" for name in PRINCIPAL)
    text = f"""\
{comment}name: {json.dumps(request.name)}
on:
  schedule:
{crons}\
  workflow_dispatch: {{}}
permissions:
  contents: read
concurrency:
  group: {json.dumps(request.name)}
  cancel-in-progress: false
jobs:
  run-due:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      - name: Install what requirements.txt names, submitter included
        run: python -m pip install -r requirements.txt
      - name: Submit what is due
        env:
          CI: "1"
{secrets}\
        run: |
          {shlex.join(command)}
"""
    return {f"{request.name}.yml": text}


def _refuse_what_is_too_dense(schedule: Schedule) -> None:
    """Refuse times of day that are too close to each other, across midnight too.

    Local ones tell, for an offset from UTC moves them all alike. The triggers of two offsets may be
    closer: should GitHub drop the later one, the one after it looks back.
    """
    cron = schedule.parsed
    times = sorted(60 * hour + minute for hour in cron.hours for minute in cron.minutes)
    gaps = [(b - a) % _DAY for a, b in zip(times, [*times[1:], times[0]], strict=True)]
    if len(times) > 1 and min(gaps) < _SHORTEST:
        raise InputError(
            f"GitHub starts a workflow every {_SHORTEST} minutes at most, and this cron comes more "
            "often. Use --to systemd or crontab, or: submitter schedule run-due --loop"
        )
