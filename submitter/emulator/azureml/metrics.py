"""Metrics: batches of values that a run logs, put together again by name."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.service import Call, Route, Service
from submitter.emulator.workspace import WORKSPACE_PATH

MetricBatch = Mapping[str, Any]


class Metrics:
    """The metrics of all runs.

    Args:
        access: The workspace's front.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._batches: dict[str, list[MetricBatch]] = {}
        self._lock = threading.Lock()

    def service(self) -> Service:
        """Return the routes of the metric service, and the run history's wait for it."""
        run = f"/metric/v2.0{WORKSPACE_PATH}/runs/{{run}}"
        history = f"/history/v1.0{WORKSPACE_PATH}"
        wait = "runs/{run}/metricsingest/wait"
        return self._access.service(
            "metrics",
            Route("POST", f"{run}/batch", self._add),
            Route("POST", f"{run}/list", self._list),
            Route("POST", f"{run}/full", self._read),
            Route("GET", f"{history}/experiments/{{experiment}}/{wait}", _everything_is_in),
            Route("GET", f"{history}/experimentids/{{experiment_id}}/{wait}", _everything_is_in),
        )

    def values(self, run_id: str) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return the data of each value of each metric of a run."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for batch in self._of(run_id):
            found.setdefault(batch["name"], []).extend(value["data"] for value in batch["value"])
        return found

    def _of(self, run_id: str) -> list[MetricBatch]:
        with self._lock:
            return list(self._batches.get(run_id, ()))

    def _add(self, call: Call) -> Response:
        with self._lock:
            batches = self._batches.setdefault(call.parameters["run"], [])
            batches.extend((call.json or {}).get("values") or [])
        return JSONResponse({"errors": []})

    def _list(self, call: Call) -> Response:
        described = {
            batch["name"]: {
                "metricKey": {"name": batch["name"], "namespace": "", "labels": {}},
                "columns": batch["columns"],
            }
            for batch in self._of(call.parameters["run"])
        }
        return listed(list(described.values()))

    def _read(self, call: Call) -> Response:
        run_id = call.parameters["run"]
        sent = call.json or {}
        name = sent.get("metricName") or sent.get("name")
        batches = [batch for batch in self._of(run_id) if batch["name"] == name]
        if not batches:
            raise user_error(f"Metric '{name}' of run {run_id} was not found.")
        values = [value for batch in batches for value in batch["value"]]
        return JSONResponse({**batches[0], "value": values, "dataContainerId": f"dcid.{run_id}"})


def _everything_is_in(_call: Call) -> Response:
    """Answer that no metric is still on its way: a batch is in when its request is answered."""
    return JSONResponse({})
