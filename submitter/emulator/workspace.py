"""Which workspace is played, and the names and addresses that follow from it."""

from dataclasses import dataclass

PROVIDER = "Microsoft.MachineLearningServices"
# The workspace's resource id as a route; Azure compares its parts without regard to case.
WORKSPACE_PATH = (
    "/subscriptions/{subscription}/resourceGroups/{resource_group}"
    f"/providers/{PROVIDER}/workspaces/{{workspace}}"
)


@dataclass(frozen=True)
class Workspace:
    """The played Azure ML workspace.

    Attributes:
        subscription_id: Its subscription.
        resource_group: Its resource group.
        name: Its name.
        region: Where it is; part of its services' host name.
        workspace_id: A new one at every start: `~/.azureml` caches service addresses and the last
            snapshot by it, and a cache that outlives the emulator would name lost snapshots.
        tenant_id: The tenant of its subscription.
        vault: The name of its key vault.
        storage_account: The name of its storage account.
    """

    subscription_id: str
    resource_group: str
    name: str
    region: str
    workspace_id: str
    tenant_id: str
    vault: str
    storage_account: str = "emulatorstore"

    @property
    def group_path(self) -> str:
        """The resource id of the resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def resource_id(self) -> str:
        """The workspace's own resource id."""
        return f"{self.group_path}/providers/{PROVIDER}/workspaces/{self.name}"

    @property
    def api_host(self) -> str:
        """The host name of the region's Azure ML services."""
        return f"{self.region}.api.azureml.ms"

    @property
    def api_url(self) -> str:
        """The address of the region's Azure ML services."""
        return f"https://{self.api_host}"

    @property
    def blob_host(self) -> str:
        """The host name of the storage account's blobs."""
        return f"{self.storage_account}.blob.core.windows.net"

    def is_named(self, subscription: str, resource_group: str, workspace: str) -> bool:
        """Say whether the three parts of a resource id name this workspace."""
        asked = (subscription.lower(), resource_group.lower(), workspace.lower())
        return asked == (
            self.subscription_id.lower(),
            self.resource_group.lower(),
            self.name.lower(),
        )
