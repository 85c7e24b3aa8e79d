"""Who may call the workspace's services, and how those services write an error."""

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from submitter.emulator import roles
from submitter.emulator.arm import AUDIENCES as ARM_AUDIENCES
from submitter.emulator.entra import Entra, TokenError
from submitter.emulator.service import Call, Claims, Problem, Route, Service
from submitter.emulator.timestamps import iso, now
from submitter.emulator.workspace import Workspace

# What a run's own token is for: these services and nothing else.
RUN_AUDIENCE = "urn:emulator:azureml-run"
AUDIENCES = (*ARM_AUDIENCES, "https://ml.azure.com", RUN_AUDIENCE)


class Access:
    """The common front of all services of one workspace.

    Args:
        workspace: The workspace.
        entra: Validates tokens.
    """

    def __init__(self, workspace: Workspace, entra: Entra) -> None:
        self.workspace = workspace
        self._entra = entra

    def service(self, name: str, *routes: Route) -> Service:
        """Make a service of routes that need a token and the right workspace."""
        return Service(
            f"azureml.{name}",
            self.workspace.api_host,
            routes,
            authenticate=self._authenticate,
            render=self._render,
        )

    def require(self, call: Call, action: str) -> None:
        """Refuse a caller whose role does not allow an action.

        Raises:
            Problem: 403.
        """
        roles.require(self._entra, call.claims, action, self.workspace.resource_id)

    def run_token(self, run_id: str, seconds: float) -> str:
        """Sign the token that a run uses for these services."""
        return self._entra.issue(run_id, RUN_AUDIENCE, seconds=seconds, runId=run_id)

    def _authenticate(self, call: Call) -> Claims:
        token = call.bearer_token
        if token is None:
            raise Problem(401, "Unauthorized", "A bearer token is missing.")
        try:
            claims = self._entra.validate(token, *AUDIENCES)
        except TokenError as error:
            raise Problem(401, "Unauthorized", str(error)) from None
        self._check_workspace(call)
        roles.require(self._entra, claims, roles.READ_WORKSPACE, self.workspace.resource_id)
        return claims

    def _check_workspace(self, call: Call) -> None:
        asked = call.parameters
        names = ("subscription", "resource_group", "workspace")
        if all(name in asked for name in names) and not self.workspace.is_named(
            *(asked[name] for name in names)
        ):
            message = f"Workspace '{asked['workspace']}' was not found."
            raise Problem(404, "WorkspaceNotFound", message)

    def _render(self, problem: Problem) -> Response:
        """Write an error in the shape that azureml-core's exceptions take apart."""
        body: dict[str, Any] = {
            "error": {"code": problem.code, "message": problem.message, "details": []},
            "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
            "environment": self.workspace.region,
            "location": self.workspace.region,
            "time": iso(now()),
        }
        return JSONResponse(body, problem.status, problem.headers)


def user_error(message: str, status: int = 404) -> Problem:
    """Make the error that Azure ML gives to most mistakes of its caller."""
    return Problem(status, "UserError", message)


def listed(values: list[Any]) -> Response:
    """Write a whole list as its only page."""
    return JSONResponse({"value": values, "continuationToken": None})
