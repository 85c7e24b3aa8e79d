"""Submit many runs of one job, and sum them up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from submitter.cli.following import LEFT_WITH_CTRL_C, as_data, asks_to_stop
from submitter.cli.output import print_json, print_rows, say

if TYPE_CHECKING:
    from submitter.backends.base import RunDetails
    from submitter.planning import Plan
    from submitter.runs.handle import RunHandle
    from submitter.submission.array import Outcome
    from submitter.submission.members import Member

ARRAY_TAG = "array"


def submit_array(
    plans: Sequence["Plan"],
    members: Sequence["Member"],
    workspace: Any,
    *,
    array_id: str | None,
    at_once: int,
    retries: int,
    wait: bool,
    as_json: bool,
) -> None:
    """Submit a plan a member, so many at once, and print one summary.

    Args:
        plans: What to submit, in the order of the members.
        members: What each of them is.
        workspace: The azureml-core `Workspace`.
        array_id: The id that those of the runs are made of; `None` for a new one.
        at_once: How many runs there may be at a time; without `wait`, submissions.
        retries: How many more attempts each run may have.
        wait: Whether to wait for their ends.
        as_json: Whether the summary is JSON.

    Raises:
        RunFailedError: Not all of them completed.
    """
    from submitter.submission import run_ids
    from submitter.submission.array import run_all
    from submitter.submission.attempts import carry_through
    from submitter.submission.submitting import submit

    prefix = array_id or run_ids.fresh(plans[0].job)
    runs: dict[int, RunHandle] = {}

    def start(member: "Member", run_id: str) -> "RunHandle":
        plan = plans[member.number - 1]
        plan = replace(plan, job=plan.job.with_tags({ARRAY_TAG: prefix}))
        # Nobody else has the ids of a new array.
        run = submit(plan, run_id=run_id, workspace=workspace, attach=array_id is not None)
        runs[member.number] = run
        say(f"{_label(member, members)}  {'attached to' if run.attached else 'run'} {run.id}")
        return run

    def carry_out(member: "Member") -> "RunDetails":
        run = start(member, run_ids.member(prefix, member.number))
        if not wait:
            return run.details()
        return carry_through(
            run,
            follow=lambda each: each.wait(),
            again=lambda run_id: start(member, run_id),
            retries=retries,
        )

    say(f"array {prefix}: {len(members)} runs, {at_once} at a time")
    try:
        outcomes = run_all(
            members,
            carry_out,
            at_once=at_once,
            on_end=lambda outcome: say(f"{_label(outcome.member, members)}  {_status(outcome)}"),
        )
    except KeyboardInterrupt:
        _leave(prefix, list(runs.values()), len(members))
    _sum_up(prefix, outcomes, wait=wait, as_json=as_json)


def _leave(prefix: str, runs: Sequence["RunHandle"], of: int) -> NoReturn:
    """Stop the runs of an array that go on, or leave them to themselves."""
    from submitter.account import somebody_is_there

    going = [run for run in runs if not run.done()] if somebody_is_there() else []
    if going and asks_to_stop(f"the array {prefix} ({len(going)} runs go on)"):
        for run in going:
            run.cancel()
        say("Asked to stop them.")
    ids = ", ".join(run.id for run in runs)
    say(
        f"\nLeft the array {prefix} after {len(runs)} of {of} runs: {ids or 'none'}"
        f"\nCome back with: submitter runs list --tag {ARRAY_TAG}={prefix}"
    )
    raise typer.Exit(LEFT_WITH_CTRL_C)


def _sum_up(prefix: str, outcomes: Sequence["Outcome"], *, wait: bool, as_json: bool) -> None:
    from submitter.backends.base import COMPLETED
    from submitter.errors import RunFailedError

    if as_json:
        print_json({"array": prefix, "runs": [_as_data(outcome) for outcome in outcomes]})
    else:
        names = list(outcomes[0].member.inputs)
        print_rows(
            ["run", *names, "status"],
            [
                [
                    outcome.details.id if outcome.details else "",
                    *(str(outcome.member.inputs[name]) for name in names),
                    _status(outcome),
                ]
                for outcome in outcomes
            ],
        )
    bad = [
        outcome
        for outcome in outcomes
        if outcome.details is None or (wait and outcome.details.status != COMPLETED)
    ]
    if bad:
        raise RunFailedError(
            f"{len(bad)} of the {len(outcomes)} runs of the array {prefix} did not "
            f"{'complete' if wait else 'start'}. Their logs: submitter runs logs RUN"
        )


def _as_data(outcome: "Outcome") -> dict[str, object]:
    return {
        "inputs": dict(outcome.member.inputs),
        "run": as_data(outcome.details) if outcome.details else None,
        "error": str(outcome.error) if outcome.error else None,
    }


def _status(outcome: "Outcome") -> str:
    return outcome.details.status if outcome.details else f"not known: {outcome.error}"


def _label(member: "Member", members: Sequence["Member"]) -> str:
    return f"[{member.number}/{len(members)}] {member}"
