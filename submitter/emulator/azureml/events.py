"""Run events: what a client says happened to a run (it started, failed, is to be cancelled)."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, user_error
from submitter.emulator.azureml.history import History, RunRecord
from submitter.emulator.service import Call, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import WORKSPACE_PATH

_PREFIX = "Microsoft.MachineLearning.Run."


class Events:
    """Takes in events, one by one or in batches.

    Args:
        access: The workspace's front.
        history: The runs that the events are about.
        cancel: Cancels a run that a compute target carries out.
    """

    def __init__(
        self, access: Access, history: History, cancel: Callable[[RunRecord], None]
    ) -> None:
        self._access = access
        self._history = history
        self._cancel = cancel

    def service(self) -> Service:
        """Return the event routes of the run history."""
        base = f"/history/v1.0{WORKSPACE_PATH}"
        experiment = f"{base}/experiments/{{experiment}}"
        by_id = f"{base}/experimentids/{{experiment_id}}"
        return self._access.service(
            "events",
            Route("POST", f"{experiment}/batch/events", self._receive_batch),
            Route("POST", f"{experiment}/runs/{{run}}/events", self._receive),
            Route("POST", f"{by_id}/runs/{{run}}/events", self._receive),
        )

    def _receive(self, call: Call) -> Response:
        """Take in one event.

        The answer must be 200: azureml-core takes a 202 here for a failure, and
        `Experiment.start_logging` fails with it.
        """
        self._apply(call.parameters["run"], call.json or {})
        return JSONResponse({})

    def _receive_batch(self, call: Call) -> Response:
        for event in (call.json or {}).get("events", []):
            self._apply(str(event["data"]["RunId"]), event)
        return JSONResponse({"errors": []})

    def _apply(self, run_id: str, event: Mapping[str, Any]) -> None:
        """Change a run as an event says.

        The start and end of a run that a compute target carries out are its process's, whatever
        its script says about them.
        """
        name = str(event.get("name", ""))
        data = event.get("data") or {}
        if not name.startswith(_PREFIX):
            raise user_error(f"The emulator does not play the event '{name}'.", 400)
        kind = name.removeprefix(_PREFIX)
        run = self._history.run(run_id)
        if kind == "Error":
            self._history.update(run_id, error=data.get("ErrorResponse") or data)
        elif kind == "Warning":
            self._history.update(run_id, warnings=(*run.warnings, data))
        elif run.definition is not None:
            if kind in ("CancelRequested", "Canceled"):
                self._cancel(run)
        elif kind == "Start":
            started = run.start_time_utc or iso(now())
            self._history.update(run_id, status="Running", start_time_utc=started)
        elif kind in ("Completed", "Failed", "Canceled"):
            self._history.end(run_id, kind)
