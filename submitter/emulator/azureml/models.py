"""Model management: the part that registers, lists, changes and deletes models.

Images, packages and web services of the same service are not played.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access, listed, user_error
from submitter.emulator.azureml.registry import ModelFilter, ModelRegistry
from submitter.emulator.service import Call, Problem, Route, Service
from submitter.emulator.workspace import WORKSPACE_PATH

# What `Model.update`, `add_tags` and `add_properties` may change, by JSON pointer (RFC 6901).
_CHANGEABLE: Mapping[str, str] = {
    "/kvTags": "kvTags",
    "/description": "description",
    "/properties": "properties",
    "/resourceRequirements": "resourceRequirements",
}


class Models:
    """Serves the model registry.

    Args:
        access: The workspace's front.
        registry: The models.
    """

    def __init__(self, access: Access, registry: ModelRegistry) -> None:
        self._access = access
        self._registry = registry

    def service(self) -> Service:
        """Return the routes of models and assets."""
        base = f"/modelmanagement/v1.0{WORKSPACE_PATH}"
        service = self._access.service(
            "models",
            Route("POST", f"{base}/assets", self._create_asset),
            Route("GET", f"{base}/assets/{{asset}}", self._get_asset),
            Route("POST", f"{base}/models", self._register),
            Route("GET", f"{base}/models", self._list),
            Route("GET", f"{base}/models/{{model}}", self._get),
            Route("PATCH", f"{base}/models/{{model}}", self._patch),
            Route("DELETE", f"{base}/models/{{model}}", self._delete),
        )
        return replace(service, render=_render)

    def _create_asset(self, call: Call) -> Response:
        sent = call.json or {}
        artifacts = sent.get("artifacts") or []
        asset = self._registry.add_asset(str(sent.get("name")), artifacts, sent.get("runid"))
        return JSONResponse(asset.to_wire())

    def _get_asset(self, call: Call) -> Response:
        return JSONResponse(self._registry.asset(call.parameters["asset"]).to_wire())

    def _register(self, call: Call) -> Response:
        sent = call.json or {}
        _refuse_datasets(sent)
        asset = str(sent.get("url", "")).removeprefix("aml://asset/")
        self._registry.asset(asset)
        model = self._registry.register(str(sent["name"]), sent, call.claims.get("oid"))
        return JSONResponse(model.to_wire())

    def _list(self, call: Call) -> Response:
        asked = call.query
        if asked.get("datasetId"):
            raise _datasets_are_not_played()
        wanted = ModelFilter(
            name=asked.get("name"),
            run_id=asked.get("runId"),
            framework=asked.get("framework"),
            tags=_pairs(asked.get("tags", "")),
            properties=_pairs(asked.get("properties", "")),
            latest_only=asked.get("latestVersionOnly", "").lower() == "true",
        )
        return listed([model.to_wire() for model in self._registry.models(wanted)])

    def _get(self, call: Call) -> Response:
        return JSONResponse(self._registry.model(call.parameters["model"]).to_wire())

    def _patch(self, call: Call) -> Response:
        """Apply a JSON patch (RFC 6902) that adds or replaces whole members."""
        changes = {}
        for operation in call.json or []:
            path = str(operation.get("path"))
            if path not in _CHANGEABLE or operation.get("op") not in ("add", "replace"):
                message = f"The emulator does not play '{operation.get('op')} {path}' of a model."
                raise user_error(message, 400)
            changes[_CHANGEABLE[path]] = operation.get("value")
        return JSONResponse(self._registry.change(call.parameters["model"], changes).to_wire())

    def _delete(self, call: Call) -> Response:
        self._registry.delete(call.parameters["model"])
        return JSONResponse({})


def _refuse_datasets(sent: Mapping[str, Any]) -> None:
    if any(sent.get(key) for key in ("datasets", "sampleInputData", "sampleOutputData")):
        raise _datasets_are_not_played()


def _datasets_are_not_played() -> Problem:
    return user_error("The emulator plays no datasets, nor models that refer to one.", 400)


def _pairs(text: str) -> Mapping[str, str | None]:
    """Read the SDK's `name=value,name`: a name alone asks for any value."""
    pairs: dict[str, str | None] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        pairs[name] = value if equals else None
    return pairs


def _render(problem: Problem) -> Response:
    """Write an error in this service's own shape.

    azureml-core tells a missing model from other failures by the `statusCode` inside the body.
    """
    body = {
        "code": problem.code,
        "statusCode": problem.status,
        "message": problem.message,
        "details": [{"code": problem.code, "message": problem.message}],
        "correlation": {"RequestId": str(uuid.uuid4())},
    }
    return JSONResponse(body, problem.status, problem.headers)
