"""A cluster made if there is none, an environment with an image, a training run that registers."""

import sys
from pathlib import Path

from azureml.core import (
    Environment,
    Experiment,
    Model,
    RunConfiguration,
    ScriptRunConfig,
    Workspace,
)
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import DockerConfiguration

workspace = Workspace.from_config()
Path("other").mkdir()
workspace.write_config(path="other", file_name="again.json")
assert Workspace.from_config("other/again.json").get_details()["location"] == "eastus"

try:
    cluster = ComputeTarget(workspace, "made-here")
except ComputeTargetException:
    configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1)
    cluster = ComputeTarget.create(workspace, "made-here", configuration)
    cluster.wait_for_completion(show_output=True)
same = ComputeTarget.create(workspace, "made-here", configuration)
same.wait_for_completion()
assert same.vm_size == "STANDARD_D2_V2"
assert cluster.get_status().allocation_state == "Steady"
assert cluster.list_nodes() == []
cluster.update(max_nodes=2)
assert ComputeTarget(workspace, "made-here").scale_settings.maximum_node_count == 2

environment = Environment("training")
environment.register(workspace)
build = environment.build(workspace)
build.wait_for_completion(show_output=False)
assert build.status == "Succeeded"
environment = Environment.get(workspace, "training", label="latest")
assert environment.get_image_details(workspace).image_exist

source = str(Path(sys.argv[1]) / "training")
experiment = Experiment(workspace, "cluster")
config = ScriptRunConfig(
    source,
    "train.py",
    arguments=["--depth", 3],
    compute_target=cluster,
    environment=environment,
    docker_runtime_config=DockerConfiguration(use_docker=True, shm_size="1g"),
)
run = experiment.submit(config, tags={"try": "1"})
run.wait_for_completion(show_output=True)
details = run.get_details_with_logs()
assert "depth 3" in details["logFiles"]["user_logs/std_log.txt"]
assert run.get_snapshot_id() == details["properties"]["ContentSnapshotId"]
assert Model(workspace, "from-the-run").run_id == run.id

Path(".azureml").mkdir(exist_ok=True)
config.run_config.save(".", "saved")
saved = RunConfiguration.load(".", "saved")
assert saved.target == "made-here"
failing = experiment.submit(ScriptRunConfig(source, "fail.py", run_config=saved))
assert failing.wait_for_completion(raise_on_error=False)["status"] == "Failed"
failing.get_all_logs("logs")
assert "out of rows" in Path("logs/user_logs/std_log.txt").read_text()

cluster.delete()
assert "made-here" not in workspace.compute_targets
