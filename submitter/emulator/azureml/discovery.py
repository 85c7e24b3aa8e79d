"""Where the workspace's services are: all under the region's one host name."""

from starlette.responses import JSONResponse, Response

from submitter.emulator.azureml.access import Access
from submitter.emulator.service import Call, Route, Service

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
        access: The front of the workspace whose region's services are listed.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def service(self) -> Service:
        """Return the discovery routes."""
        return self._access.service(
            "discovery",
            Route("GET", "/discovery", self._describe, public=True),
            Route("GET", "/discovery/workspaces/{workspace_id}", self._describe, public=True),
        )

    def _describe(self, _call: Call) -> Response:
        addresses = dict.fromkeys(_SERVICES, self._access.workspace.api_url)
        return JSONResponse({**addresses, "studio": "https://ml.azure.com"})
