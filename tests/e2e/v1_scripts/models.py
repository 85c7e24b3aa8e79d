"""Models: registered from a run and from the laptop, found, changed, downloaded, deleted."""

from pathlib import Path

import pytest
from azureml.core import Experiment, Model, Workspace
from azureml.exceptions import WebserviceException

workspace = Workspace.from_config()
run = Experiment(workspace, "models").start_logging(snapshot_directory=None)
Path("built").mkdir()
Path("built/model.pkl").write_bytes(b"first")
Path("built/labels.txt").write_text("yes no")
run.upload_folder("outputs", "built")
first = run.register_model(
    "delays", "outputs/model.pkl", tags={"stage": "test"}, properties={"rows": "12"}
)
whole = run.register_model("folder", "outputs")
run.complete()
Path("model.pkl").write_bytes(b"second")
second = Model.register(
    workspace,
    "model.pkl",
    "delays",
    tags={"stage": "live"},
    description="retrained",
    model_framework=Model.Framework.SCIKITLEARN,
    model_framework_version="1.5",
)
assert (first.id, second.id, whole.id) == ("delays:1", "delays:2", "folder:1")
assert Model(workspace, "delays", version=1).run.id == run.id


def found(**wanted: object) -> list[str]:
    """List models by id."""
    return [model.id for model in Model.list(workspace, **wanted)]


assert found() == ["delays:2", "folder:1", "delays:1"]
assert found(name="delays", latest=True) == ["delays:2"]
assert found(tags=[["stage", "test"]]) == ["delays:1"]
assert found(tags=["stage"]) == ["delays:2", "delays:1"]
assert found(properties=["rows"]) == ["delays:1"]
assert found(run_id=run.id) == ["folder:1", "delays:1"]
assert found(model_framework="ScikitLearn") == ["delays:2"]
assert workspace.models["delays"].version == 2

assert Path(Model(workspace, "delays").download("here")).read_bytes() == b"second"
assert Path(Model.get_model_path("delays", 1, workspace)).read_bytes() == b"first"
folder = Path(Model(workspace, "folder").download("here"))
assert sorted(file.name for file in folder.iterdir()) == ["labels.txt", "model.pkl"]

second.add_tags({"checked": "yes"})
second.remove_tags(["stage"])
second.add_properties({"rows": "13"})
second.update(description="retrained and checked")
again = Model(workspace, "delays")
assert (again.tags, again.properties) == ({"checked": "yes"}, {"rows": "13"})
assert again.description == "retrained and checked"

second.delete()
assert Model(workspace, "delays").version == 1
for absent in ({"name": "none"}, {"name": "delays", "version": 9}):
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(workspace, **absent)
