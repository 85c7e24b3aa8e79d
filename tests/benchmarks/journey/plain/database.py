import glob
import os

import mssql_python_odbc
import pyodbc
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from sqlalchemy import create_engine


def get_secret(name):
    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
    )
    return SecretClient(os.environ["KEY_VAULT_URL"], credential).get_secret(name).value


def connect():
    folder = os.path.dirname(mssql_python_odbc.__file__)
    [driver] = glob.glob(f"{folder}/libs/linux/debian_ubuntu/x86_64/lib/libmsodbcsql*")
    user = get_secret(os.environ["AZURE_SECRET_1"])
    password = get_secret(os.environ["AZURE_SECRET_2"]).replace("}", "}}")
    text = f"Driver={driver};Server={os.environ['SQL_SERVER']};Encrypt=yes;"
    text += f"Database={os.environ['SQL_DATABASE']};UID={user};PWD={{{password}}}"
    return create_engine("mssql+pyodbc://", creator=lambda: pyodbc.connect(text))
