"""Find a run by what a person calls it: an id, a part of one, a display name, `@last`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from remote_entry.marked_yaml import nearest
from submitter.backends.azureml_core import AzureMLCore
from submitter.backends.base import Backend, RunQuery, RunSummary
from submitter.errors import InputError, NotFoundError
from submitter.runs.handle import RunHandle
from submitter.workspace import open_workspace

LAST = "@last"
_SHORTEST = 4  # characters of a part of an id
_SEARCHED = 500  # of the newest runs: what one request for an experiment brings
_NAMED = 5  # candidates that an error lists


def find_run(text: str, *, workspace: Any = None) -> RunHandle:
    """Find a run by what a person calls it.

    Args:
        text: Its id; the id's last part, beginning or end, 4 characters or more, if only one run
            fits; its display name; or `@last`.
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.

    Raises:
        NotFoundError: No run fits; the message has the nearest names.
        InputError: Several do; the message lists them.
    """
    return find_in(AzureMLCore(workspace or open_workspace()), text)


def list_runs(
    *,
    workspace: Any = None,
    experiments: Collection[str] = (),
    statuses: Collection[str] = (),
    tags: Mapping[str, str | None] | None = None,
    since: datetime | None = None,
    limit: int = 20,
) -> Sequence[RunSummary]:
    """List runs, the newest first.

    Args:
        workspace: An azureml-core `Workspace`; by default that of the nearest config.json.
        experiments: Names; none for every experiment.
        statuses: Such as Failed; none for every status.
        tags: Tags that a run must have; a value of `None` takes any.
        since: Only runs that were submitted after this moment.
        limit: How many at most.

    Raises:
        NotFoundError: There is no experiment of a name that was given.
    """
    query = RunQuery(experiments, statuses, tags or {}, since, limit)
    return AzureMLCore(workspace or open_workspace()).runs(query)


def find_in(backend: Backend, text: str) -> RunHandle:
    """Find a run of a workspace; see `find_run`."""
    if text == LAST:
        return RunHandle(backend.run(_last(backend)))
    try:
        return RunHandle(backend.run(text))
    except NotFoundError as error:
        return RunHandle(backend.run(_search(backend, text, error)))


def short_id(run_id: str) -> str:
    """Return the part of an id that a list shows: the last, where the service or we made it up."""
    last = run_id.rpartition("_")[2]
    return last if len(last) >= _SHORTEST else run_id


def _last(backend: Backend) -> str:
    """Return the id of the newest run that whoever is signed in submitted."""
    me = backend.me()
    runs = backend.runs(RunQuery(limit=_SEARCHED))
    mine = [run for run in runs if not me or run.owner == me]
    if not mine:
        raise NotFoundError(
            "There is no last run: whoever is signed in has submitted none to this workspace. "
            "See all with: submitter runs list"
        )
    return mine[0].id


def _search(backend: Backend, text: str, missing: NotFoundError) -> str:
    runs = backend.runs(RunQuery(limit=_SEARCHED))
    for fits in _rules(text):
        found = [run for run in runs if fits(run)]
        if len(found) == 1:
            return found[0].id
        if found:
            raise _ambiguous(text, found)
    names = [short_id(run.id) for run in runs] + [run.display_name for run in runs]
    raise NotFoundError(
        f"{missing} No id begins or ends with it, and no run is displayed as that."
        f"{nearest(text, names)} See: submitter runs list"
    ) from None


def _rules(text: str) -> tuple[Callable[[RunSummary], bool], ...]:
    """Return how a text may name a run; the first rule that any run fits counts."""
    exact: tuple[Callable[[RunSummary], bool], ...] = (
        lambda run: short_id(run.id) == text,
        lambda run: run.display_name == text,
    )
    if len(text) < _SHORTEST:
        return exact
    return (
        *exact,
        lambda run: run.id.endswith(text) or short_id(run.id).startswith(text),
        lambda run: run.id.startswith(text),
    )


def _ambiguous(text: str, found: Sequence[RunSummary]) -> InputError:
    listed = "".join(f"\n  {run.id}  {run.display_name}  {run.status}" for run in found[:_NAMED])
    more = f"\n  and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return InputError(f"{len(found)} runs go by '{text}'; give more of the id:{listed}{more}")
