import os

from azureml.core import Workspace

vault = Workspace.from_config().get_default_keyvault()
vault.set_secrets({"sql-username": os.environ["DB_USER"], "sql-password": os.environ["DB_PWD"]})
