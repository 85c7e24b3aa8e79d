"""`submitter runs cancel`: stop a run."""

from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.output import print_json, say
from submitter.cli.runs.run_argument import RunName, find


@in_workspace
def cancel(run_name: RunName, *, open_workspace: OpenWorkspace, as_json: AsJson = False) -> None:
    """Ask the service to stop a run."""
    from submitter.backends.base import ENDED

    run = find(run_name, open_workspace)
    status = run.status
    ended = status in ENDED
    if not ended:
        run.cancel()
    if as_json:
        print_json({"id": run.id, "status": status, "cancel_requested": not ended})
    else:
        say(f"{run.id} has ended already: {status}" if ended else f"asked to cancel {run.id}")
