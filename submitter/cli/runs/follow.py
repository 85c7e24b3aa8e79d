"""`submitter runs follow`: follow a run to its end."""

from submitter.cli.following import AllLogs, LogNames, follow_to_the_end
from submitter.cli.options import AsJson, OpenWorkspace, in_workspace
from submitter.cli.runs.run_argument import RunName, find


@in_workspace
def follow(
    run_name: RunName,
    *,
    open_workspace: OpenWorkspace,
    all_logs: AllLogs = False,
    log: LogNames = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run's log to its end. The exit code is 0 only if it completed."""
    run = find(run_name, open_workspace)
    follow_to_the_end(run, as_json=as_json, all_logs=all_logs, logs=log or ())
