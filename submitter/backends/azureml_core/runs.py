"""The runs of a workspace, through azureml-core (SDK v1): filtered by the service where it can."""

import base64
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from remote_entry.marked_yaml import nearest
from submitter.backends.azureml_core.run_record import summary_of
from submitter.backends.base import RunQuery, RunSummary
from submitter.errors import NotFoundError
from submitter.service import ask

_SIDE_BY_SIDE = 8  # experiments asked at once


def list_runs(workspace: Any, query: RunQuery) -> Sequence[RunSummary]:
    """List runs, the newest first: one request, and one for each experiment's page of 500.

    Args:
        workspace: The azureml-core `Workspace`.
        query: Which runs.

    Raises:
        NotFoundError: There is no experiment of a name that was given.
        ServiceError: The service did not answer.
    """
    experiments = _experiments(workspace, query)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = pool.map(lambda experiment: _runs_of(experiment, query), experiments)
        runs = [run for each in found for run in each]
    newest_first = sorted(
        runs, key=lambda run: run.created.timestamp() if run.created else 0.0, reverse=True
    )
    return newest_first[: query.limit]


def object_id(workspace: Any) -> str:
    """Return the object id in Entra of whoever is signed in; empty if the token does not say.

    Args:
        workspace: The azureml-core `Workspace`.
    """
    header = ask(
        "sign in", lambda: workspace.service_context.get_auth().get_authentication_header()
    )
    try:
        claims = header["Authorization"].split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["oid"])
    except (KeyError, IndexError, ValueError):
        return ""


def _experiments(workspace: Any, query: RunQuery) -> list[Any]:
    from azureml.core import Experiment

    known = {
        experiment.name: experiment
        for experiment in ask(
            f"list the experiments of {workspace.name}", lambda: Experiment.list(workspace)
        )
    }
    for name in query.experiments:
        if name not in known:
            raise NotFoundError(
                f"There is no experiment {name} in {workspace.name}.{nearest(name, known)} "
                f"It has: {', '.join(sorted(known)) or 'none'}."
            )
    return [known[name] for name in query.experiments or known]


def _runs_of(experiment: Any, query: RunQuery) -> list[RunSummary]:
    from azureml.core import Run

    # The service takes one status, and either one tag's name or tags with values.
    status = next(iter(query.statuses)) if len(query.statuses) == 1 else None
    valued = {name: value for name, value in query.tags.items() if value is not None}
    tags: Any = valued or next(iter(query.tags), None)

    def read() -> list[RunSummary]:
        runs = map(summary_of, Run.list(experiment, tags=tags, status=status))
        kept = (run for run in _not_before(runs, query) if _fits(run, query))
        return list(islice(kept, query.limit))

    return ask(f"list the runs of {experiment.name}", read)


def _not_before(runs: Any, query: RunQuery) -> Any:
    """Stop at the first run that had started before the time asked for: the newest come first."""
    for run in runs:
        if query.since and run.started and run.started < query.since:
            return
        yield run


def _fits(run: RunSummary, query: RunQuery) -> bool:
    if query.since and (run.created is None or run.created < query.since):
        return False
    if query.statuses and run.status not in query.statuses:
        return False
    return _has_tags(run.tags, query.tags)


def _has_tags(tags: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(
        name in tags and (value is None or tags[name] == value) for name, value in wanted.items()
    )
