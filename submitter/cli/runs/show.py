"""`submitter runs show`: all that is known of a run."""

from typing import TYPE_CHECKING

from submitter.cli.following import as_data, span
from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, print_rows
from submitter.cli.runs.run_argument import RunName, find

if TYPE_CHECKING:
    from datetime import datetime

    from submitter.backends.base import RunDetails

_COMMIT = "azureml.git.commit"


@in_workspace
def show(run_name: RunName, *, open_workspace: OpenWorkspace, as_json: AsJson = False) -> None:
    """Show a run's status, times, origin, metrics and files."""
    run = find(run_name, open_workspace)
    details, metrics, files = run.details(), dict(run.metrics()), list(run.files())
    if as_json:
        print_json({**as_data(details), "metrics": metrics, "files": files})
        return
    rows = _rows(details)
    rows += [(f"metric {name}", str(value)) for name, value in metrics.items()]
    rows += [("file", name) for name in files]
    print_rows(["what", "value"], rows)


def _rows(details: "RunDetails") -> list[tuple[str, str]]:
    from submitter.guard import shown

    facts = [
        ("id", details.id),
        ("experiment", details.experiment),
        ("name", details.display_name),
        ("status", details.status),
        ("error", details.error),
        ("submitted", _time(details.created)),
        ("queued", _span(details.queued_seconds)),
        ("started", _time(details.started)),
        ("running", _span(details.running_seconds)),
        ("ended", _time(details.ended)),
        ("compute", details.compute),
        ("environment", details.environment),
        ("command", shown("command", details.command)),
        ("submitted by", details.submitted_by),
        ("git commit", details.properties.get(_COMMIT, "")),
        ("page", details.portal_url),
    ]
    return [
        *(fact for fact in facts if fact[1]),
        *((f"variable {name}", shown(name, text)) for name, text in details.variables.items()),
        *((f"tag {name}", shown(name, text)) for name, text in details.tags.items()),
        *((f"property {name}", shown(name, text)) for name, text in details.properties.items()),
    ]


def _time(moment: "datetime | None") -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _span(seconds: float | None) -> str:
    return "" if seconds is None else span(seconds)
