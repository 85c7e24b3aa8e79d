"""What runs on the cluster: fetches data, logs, registers its model."""

import argparse
from pathlib import Path

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
run = Run.get_context()
workspace = run.experiment.workspace
datastore = workspace.get_default_datastore()
Path("rows.csv").write_text("1\n2\n")
datastore.upload_files(["rows.csv"], target_path="rows", show_progress=False)
assert datastore.download("fetched", prefix="rows", show_progress=False) == 1
with run.child_run("fold") as fold:
    fold.log("rows", 2)
model = Path("outputs/model.pkl")
model.write_text(f"depth {depth}")
run.upload_file("outputs/model.pkl", str(model))
run.register_model("from-the-run", "outputs/model.pkl", tags={"depth": str(depth)})
print("depth", depth, run.get_environment().name)
run.flush()
