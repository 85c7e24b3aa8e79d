"""Where the workspace's services are: all under the region's one host name."""

from starlette.responses import JSONResponse, Response

from submitter.emulator.service import Call, Route, Service
from submitter.emulator.workspace import Workspace

_SERVICES = (
    "api",
    "catalog",
    "experimentation",
    "gallery",
    "history",
    "hyperdrive",
    "labeling",
    "modelmanagement",
    "notebooks",
    "pipelines",
)


class Discovery:
    """The discovery document; it is public, as in Azure.

    Args:
        workspace: The workspace whose region's services are listed.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def service(self) -> Service:
        """Return the discovery routes."""
        return Service(
            "azureml.discovery",
            self._workspace.api_host,
            (
                Route("GET", "/discovery", self._describe, public=True),
                Route("GET", "/discovery/workspaces/{workspace_id}", self._describe, public=True),
            ),
        )

    def _describe(self, _call: Call) -> Response:
        addresses = dict.fromkeys(_SERVICES, self._workspace.api_url)
        return JSONResponse({**addresses, "studio": "https://ml.azure.com"})
