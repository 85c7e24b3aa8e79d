"""The tutorial that this product grew from: its calls run under `emulator exec` as they stand."""

import sys

from support.shell import Shell

LAPTOP = """\
import os

from azureml.core import Environment, Experiment, Keyvault, ScriptRunConfig, Workspace
from azureml.core.conda_dependencies import CondaDependencies

ws = Workspace.from_config()

envtest = Environment(name="your-env-name")
envtest.docker.enabled = True
envtest.docker.base_dockerfile = "FROM mcr.microsoft.com/azureml/base:latest\\nRUN apt-get update"
envtest.docker.base_image = None
env_packages = CondaDependencies.create(
    conda_packages=["pandas", "pyodbc", "sqlalchemy"], pip_packages=["azure-keyvault-secrets"]
)
envtest.python.conda_dependencies = env_packages
envtest.environment_variables = {
    "AZURE_CLIENT_ID": os.environ["AZURE_CLIENT_ID"],
    "AZURE_CLIENT_SECRET": os.environ["AZURE_CLIENT_SECRET"],
    "AZURE_TENANT_ID": os.environ["AZURE_TENANT_ID"],
    "KEY_VAULT_URL": "https://kv-flights.vault.azure.net/",
    "AZURE_SECRET_1": "sql-username",
    "AZURE_SECRET_2": "sql-password",
    "SQL_SERVER": "flights.database.windows.net",
}
envtest.register(workspace=ws)

env = Environment.get(workspace=ws, name="your-env-name")
print("got", env.name, env.version)
envs = Environment.list(workspace=ws)
for env in envs:
    if env.startswith("your-env-name"):
        print("Name", env)
        print("packages", envs[env].python.conda_dependencies.serialize_to_string())

keyvault = ws.get_default_keyvault()
assert isinstance(keyvault, Keyvault)
keyvault.set_secret(name="mysecret", value=os.environ.get("MY_SECRET"))
print("secrets", [secret["name"] for secret in keyvault.list_secrets()])

config = ScriptRunConfig(
    source_directory="remote",
    script="query.py",
    compute_target="cpu-cluster",
    environment=Environment.get(ws, "your-env-name"),
)
run = Experiment(ws, "tutorial").submit(config)
run.wait_for_completion(show_output=True)
print("status", run.get_status(), run.get_metrics())

interactive = Experiment(ws, "tutorial").start_logging(outputs=None, snapshot_directory=None)
interactive.log("answer", 42)
interactive.complete()
print("interactive", interactive.get_metrics())
"""

REMOTE = """\
import glob
import os

import mssql_python_odbc
import pandas as pd
import pyodbc
from azure.identity import EnvironmentCredential
from azure.keyvault.secrets import SecretClient
from azureml.core import Run

client = SecretClient(vault_url=os.environ["KEY_VAULT_URL"], credential=EnvironmentCredential())
user = client.get_secret(os.environ["AZURE_SECRET_1"]).value
password = client.get_secret(os.environ["AZURE_SECRET_2"]).value.replace("}", "}}")
folder = os.path.dirname(mssql_python_odbc.__file__)
[driver] = glob.glob(f"{folder}/libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*")
connection = pyodbc.connect(
    f"Driver={driver};Server={os.environ['SQL_SERVER']};Database=flights;UID={user};"
    f"PWD={{{password}}};Encrypt=yes"
)
run = Run.get_context()
rows = connection.execute("SELECT TOP 10 * FROM flights WHERE month = ?", 1).fetchall()
run.log("rows", len(rows))
print("mysecret is", len(run.get_secret("mysecret")), "characters long")
run.flush()
"""


def test_pain_4_the_tutorials_calls_run_as_they_stand(shell: Shell) -> None:
    """Register, list, set a secret, submit, read secrets in the run, query, log interactively."""
    shell.write("tutorial.py", LAPTOP)
    (shell.folder / "remote").mkdir()
    shell.write("remote/query.py", REMOTE)
    shell.write("flights.csv", "month,carrier\n1,AA\n1,B6\n2,UA\n")
    shell.write(
        "emulator.yml",
        "vaults: {kv-flights: {sql-username: reader, sql-password: {generate: true}}}\n"
        "sql:\n"
        "  server: flights.database.windows.net\n"
        "  logins: {reader: {secret: sql-password}}\n"
        "  databases: {flights: {tables: {flights: {csv: flights.csv}}}}\n",
    )
    done = shell(
        "emulator", "exec", "--", sys.executable, "-W", "ignore", "tutorial.py", MY_SECRET="12345"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "got your-env-name 1\n" in done.stdout
    assert "- azure-keyvault-secrets" in done.stdout
    assert "secrets ['mysecret', 'sql-password', 'sql-username']" in done.stdout
    assert "mysecret is 5 characters long" in done.stdout
    assert "status Completed {'rows': 2}" in done.stdout
    assert "interactive {'answer': 42}" in done.stdout
