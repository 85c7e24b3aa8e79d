import os

from azureml.core import Environment, Workspace

workspace = Workspace.from_config()
environment = Environment.from_dockerfile(
    "plain", "docker/Dockerfile", conda_specification="docker/conda.yml"
)
environment.environment_variables = {
    "AZURE_TENANT_ID": os.environ["AZURE_TENANT_ID"],
    "AZURE_CLIENT_ID": os.environ["AZURE_CLIENT_ID"],
    "AZURE_CLIENT_SECRET": os.environ["AZURE_CLIENT_SECRET"],
    "KEY_VAULT_URL": "https://kv-flights.vault.azure.net",
    "AZURE_SECRET_1": "sql-username",
    "AZURE_SECRET_2": "sql-password",
    "SQL_SERVER": "flights.database.windows.net",
    "SQL_DATABASE": "flights",
}
environment.register(workspace)
