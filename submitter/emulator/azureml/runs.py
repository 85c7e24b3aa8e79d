"""The run history service: experiments, runs, their tags and queries."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed
from submitter.emulator.azureml.artifacts import Artifacts
from submitter.emulator.azureml.history import History, RunRecord
from submitter.emulator.azureml.odata import FilterError, Predicate, parse_filter
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import WORKSPACE_PATH

LOG_FOLDERS = ("user_logs/", "azureml-logs/", "logs/", "system_logs/")
RUN_TOKEN_SECONDS = 14 * 86_400
PAGE_SIZE = 100


class Runs:
    """Serves the run history.

    Args:
        access: The workspace's front.
        history: The experiments and runs.
        artifacts: Knows the log files of a run.
    """

    def __init__(self, access: Access, history: History, artifacts: Artifacts) -> None:
        self._access = access
        self._history = history
        self._artifacts = artifacts

    def service(self) -> Service:
        """Return the routes of the run history."""
        base = f"/history/v1.0{WORKSPACE_PATH}"
        experiment = f"{base}/experiments/{{experiment}}"
        return self._access.service(
            "runs",
            Route("GET", experiment, self._get_experiment),
            Route("POST", experiment, self._create_experiment),
            Route("GET", f"{base}/experimentids/{{experiment_id}}", self._get_experiment_by_id),
            Route("PATCH", f"{base}/experimentids/{{experiment_id}}", self._change_experiment),
            Route("DELETE", f"{base}/experimentids/{{experiment_id}}", self._delete_experiment),
            Route(
                "POST",
                f"{base}/experimentids/{{experiment_id}}/tags:delete",
                self._remove_experiment_tags,
            ),
            Route("POST", f"{base}/experiments:query", self._list_experiments),
            Route("POST", f"{experiment}/runs:query", self._query),
            Route("POST", f"{base}/experimentids/{{experiment_id}}/runs:query", self._query),
            Route("PATCH", f"{experiment}/batch/runs", self._patch_batch),
            Route("GET", f"{base}/runs/{{run}}", self._get),
            *self._run_routes(f"{experiment}/runs/{{run}}"),
            *self._run_routes(f"{base}/experimentids/{{experiment_id}}/runs/{{run}}"),
        )

    def _run_routes(self, run: str) -> tuple[Route, ...]:
        return (
            Route("GET", run, self._get),
            Route("PATCH", run, self._patch),
            Route("GET", f"{run}/details", self._get_details),
            Route("GET", f"{run}/token", self._renew_token),
            Route("GET", f"{run}/children", self._list_children),
            Route("DELETE", f"{run}/tags", self._remove_tags),
        )

    def _get_experiment(self, call: Call) -> Response:
        return JSONResponse(self._history.experiment(call.parameters["experiment"]).to_wire())

    def _create_experiment(self, call: Call) -> Response:
        experiment = self._history.create_experiment(call.parameters["experiment"])
        return JSONResponse(experiment.to_wire())

    def _get_experiment_by_id(self, call: Call) -> Response:
        experiment = self._history.experiment_by_id(call.parameters["experiment_id"])
        return JSONResponse(experiment.to_wire())

    def _change_experiment(self, call: Call) -> Response:
        experiment_id = call.parameters["experiment_id"]
        return JSONResponse(
            self._history.change_experiment(experiment_id, call.json or {}).to_wire()
        )

    def _delete_experiment(self, call: Call) -> Response:
        self._history.delete_experiment(call.parameters["experiment_id"])
        return JSONResponse({})

    def _remove_experiment_tags(self, call: Call) -> Response:
        names = (call.json or {}).get("tags") or []
        experiment = self._history.remove_experiment_tags(call.parameters["experiment_id"], names)
        return JSONResponse({"experimentId": experiment.experiment_id, "tags": experiment.tags})

    def _list_experiments(self, call: Call) -> Response:
        sent = call.json or {}
        keeps = _filter_of(sent)
        view = str(sent.get("viewType") or "ActiveOnly")
        found = [
            experiment.to_wire()
            for experiment in self._history.experiments()
            if view in ("All", "ArchivedOnly" if experiment.archived_time else "ActiveOnly")
        ]
        return listed([experiment for experiment in found if keeps(experiment)])

    def _get(self, call: Call) -> Response:
        return JSONResponse(self._run(call).to_wire())

    def _patch(self, call: Call) -> Response:
        """Change a run; one that is not there yet is made by it (interactive and child runs)."""
        if "experiment_id" in call.parameters:
            experiment = self._history.experiment_by_id(call.parameters["experiment_id"])
        else:
            experiment = self._history.create_experiment(call.parameters["experiment"])
        run_id = call.parameters["run"]
        self._history.create_run(experiment, run_id, call.claims.get("oid"))
        return JSONResponse(self._history.patch(run_id, call.json or {}).to_wire())

    def _patch_batch(self, call: Call) -> Response:
        """Change several runs at once, as `Run.create_children` does."""
        experiment = self._history.create_experiment(call.parameters["experiment"])
        changed = {}
        for sent in (call.json or {}).get("runs", []):
            run_id = str(sent["runId"])
            self._history.create_run(experiment, run_id, call.claims.get("oid"))
            changed[run_id] = self._history.patch(run_id, sent).to_wire()
        return JSONResponse({"runs": changed, "errors": {}})

    def _get_details(self, call: Call) -> Response:
        run = self._run(call)
        container = run.data_container_id
        logs = [name for name in self._artifacts.names(container) if name.startswith(LOG_FOLDERS)]
        return JSONResponse(
            {
                "runId": run.run_id,
                "target": run.target,
                "status": run.status,
                "startTimeUtc": run.start_time_utc,
                "endTimeUtc": run.end_time_utc,
                "services": {},
                "error": run.error,
                "warnings": run.warnings or None,
                "properties": run.properties,
                "inputDatasets": [],
                "outputDatasets": [],
                "runDefinition": run.definition,
                "logFiles": {name: self._artifacts.url(container, name) for name in logs},
                "submittedBy": run.user_id,
            }
        )

    def _renew_token(self, call: Call) -> Response:
        run = self._run(call)
        expiry = now() + timedelta(seconds=RUN_TOKEN_SECONDS)
        token = self._access.run_token(run.run_id, RUN_TOKEN_SECONDS)
        return JSONResponse({"token": token, "expiryTimeUtc": iso(expiry)})

    def _list_children(self, call: Call) -> Response:
        run = self._run(call)
        children = [each for each in self._history.runs() if each.parent_run_id == run.run_id]
        return listed([child.to_wire() for child in children])

    def _remove_tags(self, call: Call) -> Response:
        self._history.remove_tags(call.parameters["run"], list(call.json or []))
        return JSONResponse({"errors": {}})

    def _query(self, call: Call) -> Response:
        sent = call.json or {}
        keeps = _filter_of(sent)
        found = [run for run in self._runs_of(call) if keeps(run)]
        field, _, direction = str(sent.get("orderby") or "StartTimeUtc desc").partition(" ")
        key = field[0].lower() + field[1:]
        # A run that has not started sorts as the newest.
        found.sort(
            key=lambda run: (run.get(key) or "9", run["createdUtc"], run["runNumber"]),
            reverse=direction.strip().lower() == "desc",
        )
        start = int(sent.get("continuationToken") or 0)
        end = start + int(sent.get("top") or PAGE_SIZE)
        following = str(end) if end < len(found) else None
        return JSONResponse({"value": found[start:end], "continuationToken": following})

    def _runs_of(self, call: Call) -> list[Mapping[str, Any]]:
        """Return the runs of the experiment that a query names, in the service's words."""
        if "experiment_id" in call.parameters:
            name = self._history.experiment_by_id(call.parameters["experiment_id"]).name
        else:
            name = self._history.experiment(call.parameters["experiment"]).name
        return [run.to_wire() for run in self._history.runs() if run.experiment == name]

    def _run(self, call: Call) -> RunRecord:
        return self._history.run(call.parameters["run"])


def _filter_of(sent: Mapping[str, Any]) -> Predicate:
    try:
        return parse_filter(sent.get("filter") or "")
    except FilterError as error:
        raise Problem(400, "BadArgument", str(error)) from None
