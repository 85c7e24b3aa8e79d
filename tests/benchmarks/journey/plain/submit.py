from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

workspace = Workspace.from_config()
config = ScriptRunConfig(
    source_directory=".",
    script="train.py",
    compute_target="cpu-cluster",
    environment=Environment.get(workspace, "plain"),
)
run = Experiment(workspace, "journey").submit(config)
run.wait_for_completion(show_output=True)
