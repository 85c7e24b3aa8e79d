"""Files that must not travel: each holds one credential, of a kind that people really leak.

The credentials are made up here, from pieces, when the tests run: no scanner finds one in this
file, and each looks as a generator made it.
"""

import base64
import io
import json
import random
import string
import zipfile
from collections.abc import Mapping

ALNUM = string.ascii_letters + string.digits
BASE64 = ALNUM + "+/"
OWN_SECRET = "Own~Secret;{x}@%'\"2 " + "9d\u00fc7"
"""What stands in AZURE_CLIENT_SECRET on the laptop of these tests."""


def made_up(alphabet: str, length: int, seed: int = 7) -> str:
    """Return text as a generator makes it, always the same, with digits in it."""
    dice = random.Random(f"{alphabet}{length}{seed}")  # noqa: S311 - nothing is protected by it
    return "".join(dice.choice(alphabet) for _ in range(length))


PASSWORD = "Tr0ub" + "4dor&3x"
WORDY = "correct" + "Horse9battery"
HEX = string.hexdigits[:16]
STORAGE_KEY = made_up(BASE64, 76) + "+ASt" + made_up(BASE64, 5) + "Q=="
OLD_STORAGE_KEY = made_up(BASE64, 86, 3) + "=="
ENTRA_SECRET = made_up(ALNUM, 3) + "8Q" + "~" + made_up(ALNUM + "_.-", 33) + "a"
GITHUB = "gh" + "p_" + made_up(ALNUM, 36)
PEM = (
    "-----BEGIN "
    "RSA PRIVATE KEY-----\n"
    + "\n".join(made_up(BASE64, 64, seed) for seed in range(12))
    + "\n-----END "
    + "RSA PRIVATE KEY-----\n"
)
JWT = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (
        b'{"alg":"RS256","typ":"JWT","kid":"x5t"}',
        b'{"aud":"https://management.azure.com","exp":1764150000,"oid":"7d"}',
        made_up(ALNUM, 90).encode(),
    )
)
SAS = (
    "https://flights.blob.core.windows.net/raw?sv=2024-11-04&ss=b&srt=sco&sp=rl"
    "&se=2027-01-01T00:00:00Z&si" + "g=" + made_up(ALNUM, 40) + "%2B" + "Q%3D"
)


def zipped(name: str, text: str) -> bytes:
    """Return a zip file with one member."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return content.getvalue()


def notebook(*, source: str = "", output: str = "") -> str:
    """Return a notebook with one cell."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [output]}]
    cell = {"cell_type": "code", "metadata": {}, "source": [source], "outputs": outputs}
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _odbc(password: str) -> str:
    return f"DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=db.corp;UID=reader;PWD={password}"


LEAKS: Mapping[str, tuple[str, str | bytes]] = {
    # This machine's own values, in whatever form.
    "own value": ("train.py", f"note = 1\nsecret = {OWN_SECRET!r}\n"),
    "own value in JSON": ("conf.json", json.dumps({"x": OWN_SECRET})),
    "own value in a URL": ("notes.txt", "user%3AOwn~Secret%3B%7Bx%7D%40%25%27%222%209d%C3%BC7"),
    "own value in base64": ("k8s.txt", base64.b64encode(f"u:{OWN_SECRET}".encode()).decode()),
    "own value in ODBC braces": ("dsn.txt", OWN_SECRET.replace("}", "}}")),
    "own value in a binary file": ("model.pkl", b"\x80\x04\x00\x00" + OWN_SECRET.encode() + b"\0"),
    "own value in a wheel": ("lib.whl", zipped("lib/conf.py", f"X = {OWN_SECRET!r}")),
    "own value in UTF-16": ("log.txt", OWN_SECRET.encode("utf-16")),
    "own value in a notebook's output": ("nb.ipynb", notebook(output=f"token {OWN_SECRET}\n")),
    # Connection strings and URLs.
    "ODBC password": ("db.py", f'CONNECTION = "{_odbc(PASSWORD)}"\n'),
    "ODBC password in braces": (
        "db.py",
        f"conn = pyodbc.connect('{_odbc('{a;b}}' + WORDY + '}')}')\n",
    ),
    "ODBC password in lines of its own": (
        "db.py",
        f'conn = (\n    "DRIVER={{SQL Server}};"\n    "SERVER=db;"\n    "PWD={PASSWORD};"\n)\n',
    ),
    "ADO.NET password": (
        "appsettings.json",
        json.dumps({"Db": f"Server=tcp:x,1433;User ID=sa;Password={PASSWORD};Encrypt=True"}),
    ),
    "JDBC password": (
        "spark.py",
        f'url = "jdbc:sqlserver://h:1433;database=d;user=sa;password={PASSWORD};encrypt=true"\n',
    ),
    "JDBC password in a query": (
        "spark.py",
        f'url = "jdbc:postgresql://h/d?user=app&password={WORDY}&ssl=true"\n',
    ),
    "SQLAlchemy URL": ("db.py", f'engine = create_engine("mssql+pyodbc://sa:{WORDY}@db/d")\n'),
    "PostgreSQL URL in YAML": ("conf.yml", f"database: postgresql://app:{WORDY}@db:5432/app\n"),
    "Redis URL without a user": ("conf.toml", f'broker = "redis://:{WORDY}@cache:6379/0"\n'),
    "package index with a login": (
        "pip.conf",
        f"[global]\nextra-index-url = https://build:{WORDY}@pkgs.corp/simple\n",
    ),
    "git remote with a token": ("setup.sh", f"git clone https://x-token:{GITHUB}@github.com/a/b\n"),
    "storage connection string": (
        "io.py",
        (
            "S = 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey="
            f"{OLD_STORAGE_KEY};EndpointSuffix=core.windows.net'\n"
        ),
    ),
    "event hub connection string": (
        "hub.json",
        json.dumps(
            {
                "c": "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=root;"
                f"SharedAccessKey={made_up(BASE64, 43)}="
            }
        ),
    ),
    # Keys and tokens by shape.
    "RSA key file": ("certs/key.pem", PEM),
    "key without an algorithm": ("tls.key", PEM.replace("RSA ", "")),
    "OpenSSH key": ("deploy_key", PEM.replace("RSA ", "OPENSSH ")),
    "key in a JSON text": ("gcp.json", json.dumps({"type": "service_account", "key": PEM})),
    "key in indented YAML": (
        "values.yaml",
        "tls:\n  key: |\n" + "".join(f"    {line}\n" for line in PEM.splitlines()),
    ),
    "key in a Python literal": ("keys.py", f'KEY = """\\\n{PEM}"""\n'),
    "key in base64 of a Kubernetes secret": (
        "secret.yaml",
        f"data:\n  tls.key: {base64.b64encode(PEM.encode()).decode()}\n",
    ),
    "client secret of Entra": ("auth.py", f"cred = Credential(T, C, '{ENTRA_SECRET}')\n"),
    "client secret of Entra in a shell script": ("run.sh", f"az login -u x -p {ENTRA_SECRET}\n"),
    "storage key alone": ("upload.py", f"client = Client(URL, '{STORAGE_KEY}')\n"),
    "storage key, old, by its name": ("io.py", f'account_key = "{OLD_STORAGE_KEY}"\n'),
    "SAS URL": ("read.py", f'pd.read_parquet("{SAS}")\n'),
    "SAS URL in a notebook's output": ("nb.ipynb", notebook(output=f"reading {SAS}\n")),
    "JSON web token": ("call.py", f'headers = {{"X-Auth": "{JWT}"}}\n'),
    "bearer token, opaque": (
        "call.sh",
        f"curl -H 'Authorization: Bearer {made_up(ALNUM, 40)}' x\n",
    ),
    "basic login in a header": (
        "call.py",
        f'h = {{"Authorization": "Basic {base64.b64encode(f"svc:{PASSWORD}".encode()).decode()}"}}\n',
    ),
    "Azure DevOps token": (
        "ci.sh",
        f"curl -u :{made_up(ALNUM, 76)}AZ" + f"DO{made_up(ALNUM, 4)} u\n",
    ),
    "Azure DevOps token, old": (
        "ci.sh",
        f"export AZURE_DEVOPS_EXT_PAT={made_up('abcdefghijklmnopqrstuvwxyz234567', 52)}\n",
    ),
    "GitHub token": ("ci.py", f'TOKEN = "{GITHUB}"\n'),
    "GitHub token, fine-grained": ("ci.txt", "github_" + "pat_" + made_up(ALNUM + "_", 82)),
    "GitLab token": ("ci.txt", "gl" + "pat-" + made_up(ALNUM, 20)),
    "AWS key": (
        "s3.py",
        f'Session("{"AK" + "IA"}{made_up(string.ascii_uppercase + "234567", 16)}")\n',
    ),
    "Slack webhook": (
        "alert.py",
        (
            f'post("https://hooks.slack.com/services/T{made_up(ALNUM, 8)}/B{made_up(ALNUM, 8)}/'
            f'{made_up(ALNUM, 24)}")\n'
        ),
    ),
    "Hugging Face token": (
        "model.py",
        f'login("{"h" + "f_"}{made_up(string.ascii_letters, 34)}")\n',
    ),
    "Databricks token": ("dbx.py", f'connect("{"da" + "pi"}{made_up(HEX, 32)}")\n'),
    "OpenAI key": (
        "llm.py",
        f'OpenAI("s{"k-"}{made_up(ALNUM, 20)}T3Blbk' + f'FJ{made_up(ALNUM, 20, 2)}")\n',
    ),
    "PyPI token": ("pypirc.cfg", "[pypi]\npassword = pypi-AgEIcHlwaS5vcmc" + made_up(ALNUM, 80)),
    "npm token": (".npmrc", f"//registry.npmjs.org/:_authToken=npm_{made_up(ALNUM, 36)}\n"),
    # Passwords by the key before them.
    "password in a Python literal": ("conf.py", f'DB_PASSWORD = "{PASSWORD}"\n'),
    "password as a keyword argument": (
        "db.py",
        f"connect(host='h', user='u', password='{WORDY}')\n",
    ),
    "password in JSON": ("conf.json", json.dumps({"user": "app", "password": PASSWORD})),
    "password in a notebook": ("nb.ipynb", notebook(source=f'password = "{PASSWORD}"')),
    "password in YAML": ("conf.yaml", f"db:\n  user: app\n  password: {PASSWORD}\n"),
    "password in an .ini file": ("db.ini", f"[db]\nuser = app\npassword = {WORDY}\n"),
    "password in a shell script": ("run.sh", f"export SQL_PASSWORD={WORDY}\npython train.py\n"),
    "API key in TOML": ("conf.toml", f'api_key = "{made_up(HEX, 32)}"\n'),
    "W&B key": ("train.py", f'os.environ["WANDB_API_KEY"] = "{made_up(HEX, 40)}"\n'),
    "weak password in an .env file": ("prod.env", "DB_USER=app\nDB_PASSWORD=hunter2\n"),
    # Stores of credentials.
    "netrc": ("_netrc", "machine h login u password p\n"),
    "git's credential store": ("git-credentials", f"https://u:{WORDY}@github.com\n"),
    "PKCS12 key store": ("identity.pfx", b"\x30\x82\x0a\x01\x02\x01\x03\x30"),
}
"""Name → a file's name and content."""
