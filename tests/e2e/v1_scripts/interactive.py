"""A notebook's run: started, logged to and completed where the code is."""

from pathlib import Path

import matplotlib as mpl
from azureml.core import Experiment, Run, Workspace
from matplotlib import pyplot as plt

mpl.use("agg")

workspace = Workspace.from_config()
experiment = Experiment(workspace, "interactive")
run = experiment.start_logging(snapshot_directory=None)

run.log("accuracy", 0.91)
run.log_list("folds", [0.9, 0.92])
run.log_row("learning", epoch=1, loss=0.5)
run.log_row("learning", epoch=2, loss=0.25)
run.log_table("scores", {"class": ["a", "b"], "f1": [0.8, 0.7]})
run.log_confusion_matrix(
    "confusion",
    {
        "schema_type": "confusion_matrix",
        "schema_version": "1.0.0",
        "data": {"class_labels": ["no", "yes"], "matrix": [[5, 1], [2, 7]]},
    },
)
figure, axes = plt.subplots()
axes.plot([1, 2, 3])
figure.savefig("plot.png")
run.log_image("plot", path="plot.png")
run.log_image("figure", plot=figure)

Path("report/deep").mkdir(parents=True)
Path("report/index.html").write_text("<p>fine</p>")
Path("report/deep/a table.csv").write_text("a,b\n1,2\n")
run.upload_folder("outputs/report", "report")

with run.child_run("fold 1") as fold:
    fold.log("accuracy", 0.9)
for child in run.create_children(count=2):
    child.complete()
# An interactive run uploads what is in this folder when it completes.
Path("outputs/tracked.txt").write_text("tracked")
run.complete()

metrics = run.get_metrics()
assert metrics["accuracy"] == 0.91
assert metrics["folds"] == [0.9, 0.92]
assert metrics["learning"] == {"epoch": [1, 2], "loss": [0.5, 0.25]}
assert metrics["scores"] == {"class": ["a", "b"], "f1": [0.8, 0.7]}
assert {"confusion", "plot", "figure"} <= set(metrics)
assert run.get_metrics(recursive=True)[fold.id] == {"accuracy": 0.9}
assert len(list(run.get_children())) == 3
assert {
    "outputs/tracked.txt",
    "outputs/report/index.html",
    "outputs/report/deep/a table.csv",
} <= set(run.get_file_names())
run.download_files(prefix="outputs/report", output_directory="again")
assert Path("again/outputs/report/deep/a table.csv").read_text() == "a,b\n1,2\n"

failed = experiment.start_logging(snapshot_directory=None)
failed.fail("no rows")
assert [found.id for found in Run.list(experiment, status="Failed")] == [failed.id]
assert {found.id for found in experiment.get_runs()} == {run.id, failed.id}
assert len(list(experiment.get_runs(include_children=True))) == 5

experiment.tag("team", "data")
experiment.remove_tags(["team"])
assert experiment.tags == {}
Experiment(workspace, "kept").archive()
empty = Experiment(workspace, "empty")
Experiment.delete(workspace, empty.id)
assert set(workspace.experiments) == {"interactive"}
archived = Experiment.list(workspace, view_type="ArchivedOnly")
assert [found.name for found in archived] == ["kept"]
