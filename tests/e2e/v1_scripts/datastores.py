"""Datastores: the default one, files up and down, one more on the same account."""

from pathlib import Path

import pytest
from azureml.core import Datastore, Workspace

workspace = Workspace.from_config()
datastore = workspace.get_default_datastore()
assert (datastore.name, datastore.datastore_type) == ("workspaceblobstore", "AzureBlob")
assert set(workspace.datastores) == {"workspaceblobstore", "workspaceartifactstore"}

Path("data/2013").mkdir(parents=True)
Path("data/2013/a flight+1%.csv").write_text("a,b\n1,2\n")
Path("data/empty.csv").touch()
# More than the client sends or fetches in one piece (64 and 32 MiB).
Path("large.bin").write_bytes(bytes(range(256)) * (300 * 1024))
datastore.upload("data", target_path="flights", show_progress=False)
datastore.upload_files(["large.bin"], target_path="flights", show_progress=False)
Path("data/empty.csv").write_text("no longer")
datastore.upload("data", target_path="flights", overwrite=False, show_progress=False)

assert (
    Datastore.get(workspace, "workspaceblobstore").download(
        "back", prefix="flights", show_progress=False
    )
    == 3
)
assert Path("back/flights/2013/a flight+1%.csv").read_text() == "a,b\n1,2\n"
assert Path("back/flights/empty.csv").read_text() == ""
assert Path("back/flights/large.bin").read_bytes() == Path("large.bin").read_bytes()

account = {"account_name": datastore.account_name, "account_key": datastore.account_key}
mine = Datastore.register_azure_blob_container(
    workspace, "mine", "raw-data", create_if_not_exists=True, **account
)
mine.upload_files(["large.bin"], show_progress=False)
mine.set_as_default()
assert workspace.get_default_datastore().name == "mine"
mine.unregister()
assert workspace.get_default_datastore().name == "workspaceblobstore"

stranger = {**account, "account_key": "bm90IHRoZSBrZXk="}
with pytest.raises(Exception, match="account key"):
    Datastore.register_azure_blob_container(workspace, "wrong", "raw-data", **stranger)
