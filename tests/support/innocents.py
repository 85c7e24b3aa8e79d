"""Files that look like leaks at first sight, and are none: each must travel."""

import base64
import hashlib
import io
import json
import random
import struct
import uuid
import zipfile
from collections.abc import Mapping

from support.leaks import notebook

_DICE = random.Random(11)  # noqa: S311 - nothing is protected by it
_NOISE = _DICE.randbytes(60_000)
_HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(40)]
_PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR\0\0\0\1" + _NOISE


def _zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pkg/__init__.py", "password = getpass()\n")
        archive.writestr("pkg/data.bin", _NOISE)
    return content.getvalue()


def _own_encoded_noise() -> str:
    return base64.b64encode(_NOISE).decode()


INNOCENTS: Mapping[str, tuple[str, str | bytes]] = {
    # Identifiers and checksums.
    "uuids": (
        "ids.py",
        "\n".join(f'RUN = "{uuid.UUID(bytes=_DICE.randbytes(16))}"' for _ in range(50)),
    ),
    "client id": ("conf.yml", f"client_id: {uuid.UUID(bytes=_DICE.randbytes(16))}\ntenant: x\n"),
    "pip lock with hashes": (
        "requirements.lock",
        "\n".join(f"pkg{n}==1.0 --hash=sha256:{digest}" for n, digest in enumerate(_HASHES)),
    ),
    "conda lock": (
        "conda-lock.yml",
        "\n".join(
            f"- url: https://git.example.org/c/p{n}.conda#{d[:32]}" for n, d in enumerate(_HASHES)
        ),
    ),
    "poetry lock": (
        "poetry.lock",
        'content-hash = "'
        + _HASHES[0]
        + '"\n'
        + "\n".join(f'  {{file = "p.whl", hash = "sha256:{digest}"}},' for digest in _HASHES),
    ),
    "npm lock with integrity": (
        "package-lock.json",
        json.dumps(
            {
                "packages": {
                    "a": {
                        "version": "1.0.0",
                        "resolved": "file:@types/node-1.tgz",
                        "integrity": "sha512-"
                        + base64.b64encode(hashlib.sha512(b"a").digest()).decode(),
                    }
                }
            },
            indent=1,
        ),
    ),
    "git commits": (
        "CHANGES.md",
        "\n".join(f"* {d[:40]} token bucket for the reader" for d in _HASHES),
    ),
    "public key": (
        "known_hosts",
        f"github.com ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{_own_encoded_noise()[:300]}\n",
    ),
    "certificate": (
        "ca.pem",
        "-----BEGIN CERTIFICATE-----\n"
        + "\n".join(_own_encoded_noise()[n * 64 : n * 64 + 64] for n in range(20))
        + "\n-----END CERTIFICATE-----\n",
    ),
    "public key in PEM": (
        "key.pub",
        "-----BEGIN PUBLIC KEY-----\n" + _own_encoded_noise()[:64] + "\n-----END PUBLIC KEY-----\n",
    ),
    "a key's header alone": (
        "keys.py",
        'HEADER = "-----BEGIN ' + 'RSA PRIVATE KEY-----"\nif text.startswith(HEADER):\n    pass\n',
    ),
    "a key elided in a document": (
        "README.md",
        "```\n-----BEGIN " + "PRIVATE KEY-----\n...\n-----END " + "PRIVATE KEY-----\n```\n",
    ),
    # Code that handles passwords without holding one.
    "asked for": ("a.py", "password = getpass.getpass('Password: ')\n"),
    "from the environment": (
        "a.py",
        'password = os.environ["SQL_PASSWORD"]\npwd = os.getenv("DB_PWD", "")\n',
    ),
    "from Key Vault": (
        "a.py",
        'password = get_secret("sql-password-2")\nclient_secret = client.get_secret("training-secret").value\n',
    ),
    "keyword arguments": (
        "a.py",
        "connect(host=host, user=user, password=password, token=token1)\n",
    ),
    "names of secrets": (
        "job-2.yml",
        (
            "AZURE_SECRET_2: sql-password\nAZURE_CLIENT_SECRET_FROM_WORKSPACE: training-client-secret\n"
            'password_secret: "flights-db-password-v2"\n'
        ),
    ),
    "f-string ODBC": (
        "a.py",
        (
            'c = f"DRIVER={{{driver}}};SERVER={server};UID={user};PWD={password};Encrypt=yes"\n'
            "d = f\"Server={s};UID={u};PWD={{{pw2.replace('}', '}}')}}};\"\n"
        ),
    ),
    "formatted ODBC": (
        "a.py",
        (
            'c = "DRIVER={{SQL Server}};SERVER={};UID={};PWD={}".format(s, u, p)\n'
            'd = "SERVER=%s;UID=%s;PWD=%s" % (s, u, p)\ne = "Server=x;UID=y;PWD=" + password\n'
        ),
    ),
    "f-string URL": (
        "a.py",
        (
            'url = f"mssql+pyodbc://{user}:{quote_plus(password)}@{host}/{db}"\n'
            'u2 = "postgresql://%s:%s@%s/db" % (u, p, h)\nu3 = "redis://:" + pw + "@cache"\n'
        ),
    ),
    "shell's folder": (
        "run.sh",
        "PWD=$HOME\nOLDPWD=$PWD\ncd $(pwd)\ndocker run -v $PWD:/work -e PASSWORD x\n",
    ),
    "shell variables": (
        "run.sh",
        (
            'PASSWORD="${DB_PASSWORD:?not set}"\nexport SQL_PASSWORD=$(az keyvault secret show -n x)\n'
            'psql "postgresql://$USER:$PGPASSWORD@db/app"\ncurl -H "Authorization: Bearer $TOKEN" u\n'
        ),
    ),
    "PowerShell": (
        "run.ps1",
        "$password = Read-Host -AsSecureString\n$env:DB_PASSWORD = $cred.Password\n",
    ),
    "compose file": (
        "compose.yml",
        "environment:\n  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}\n  MSSQL_SA_PASSWORD: ${SA_PASSWORD:?}\n",
    ),
    "Helm template": (
        "values.yaml",
        "password: {{ .Values.db.password | quote }}\ntoken: '{{ token }}'\n",
    ),
    "GitHub workflow": (
        "ci.yml",
        "env:\n  AZURE_CLIENT_SECRET: ${{ secrets.AZURE_CLIENT_SECRET }}\n  GH_TOKEN: ${{ github.token }}\n",
    ),
    "SQL": (
        "q.sql",
        (
            "SELECT password FROM users WHERE token = @token AND password = ?;\n"
            "ALTER TABLE t ADD password_hash varbinary(64); -- password: never in clear\n"
        ),
    ),
    "type annotations": (
        "m.py",
        (
            "class Login(BaseModel):\n    password: SecretStr\n    token: str | None = None\n"
            '    api_key: Annotated[str, Field(alias="apiKey")]\n'
        ),
    ),
    "OpenAPI": (
        "api.yaml",
        (
            "password:\n  type: string\n  format: password\ntoken: string\n"
            'securitySchemes: {bearer: {scheme: "bearer"}}\n'
        ),
    ),
    "translations": (
        "de.json",
        json.dumps(
            {
                "password": "Passwort",
                "forgotPassword": "Passwort vergessen?",
                "confirm_password": "Kennwort2-bestätigen",
                "token": "Zugangsschlüssel",
            }
        ),
    ),
    "tokenizer": (
        "tokenizer_config.json",
        json.dumps(
            {
                "pad_token": "<|endoftext|>",
                "bos_token": "[CLS]",
                "tokenizer_class": "GPT2",
                "special_token": "<extra_id_99>",
                "unk_token_id": 50256,
            }
        ),
    ),
    "vocabulary": (
        "vocab.txt",
        "pwd\npassword\n##secret\ntoken\nsig\neyj\nakia",
    ),
    "HTML form": (
        "login.html",
        (
            '<input type="password" name="password" id="pwd1" placeholder="Password123">\n'
            '<a href="/reset?password=&token=">x</a>\n'
        ),
    ),
    "minified JavaScript": (
        "app.min.js",
        'function a(t,e){return t.password=e.password,"://"+t+":"+e+"@"+n}var k="key",s={token:null,'
        'secret:void 0,pwd:""};' * 400,
    ),
    "regular expressions": (
        "scrub.py",
        (
            'URL = re.compile(r"://[^/\\s:@]*:([^/\\s@]+)@")\nPWD = re.compile(r"(?i)pwd=([^;]+);server=x;")\n'
            'TOKEN = re.compile(r"gh[pousr]_[A-Za-z0-9]{36}")\nK = re.compile("AccountKey=[A-Za-z0-9+/=]{88}")\n'
        ),
    ),
    "masks": (
        "masking.py",
        (
            'print("password=***")\nlog("Server=x;UID=sa;PWD=******;")\nx = "https://user:***@host"\n'
            'y = "AccountKey=••••••••;"\n'
        ),
    ),
    # Documentation.
    "README with placeholders": (
        "README.md",
        (
            "Connect with `postgres://user:password@host:5432/db` or\n"
            "`Server=tcp:<server>,1433;User ID=<user>;Password=<your password>;Encrypt=True`, or\n"
            "`mssql://USERNAME:PASSWORD@HOST/DB`; `DefaultEndpointsProtocol=https;AccountName=<a>;"
            "AccountKey=<account key>;EndpointSuffix=core.windows.net`\n"
            '`export AZURE_CLIENT_SECRET=<secret>`; `DB_PASSWORD="changeme"`; `api_key="YOUR_API_KEY"`\n'
        ),
    ),
    ".env.example": (
        "env.example",
        "DB_PASSWORD=\nAZURE_CLIENT_SECRET=your-client-secret\nAPI_KEY=changeme\nTOKEN=xxxxxxxx\n",
    ),
    "an .env file of references": (
        "defaults.env",
        "KEY_VAULT_URL=https://kv.vault.azure.net\nDB_PASSWORD=${X}\nTOKEN=\n",
    ),
    "AWS's documented example": ("s3.md", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"),
    "Azurite's published key": (
        "test_io.py",
        (
            'C = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLl'
            'mEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"\n'
        ),
    ),
    "jwt.io's example": (
        "test_jwt.py",
        (
            'T = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0'
            'IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"\n'
        ),
    ),
    "words like a JWT": ("x.py", "eyJoke.eyJest.sigh\nx = eyJ.load(a.b.c)\nname = 'eyJhbGciOi…'\n"),
    "bearer of news": (
        "t.md",
        "The bearer authentication-scheme-of-the-workspace is described below.\n",
    ),
    "local default login": ("docker.md", "postgresql://postgres:postgres@localhost:5432/test\n"),
    "addresses with @ and :": (
        "a.md",
        (
            "https://host:8080/user@example.com?x=a:b@c, ssh://git@host:22/a, git@github.com:a/b.git,\n"
            "https://medium.com/@who/post:1, mailto:a@b.c, http://[::1]:8080/@x, npm @scope/pkg@1.0\n"
        ),
    ),
    "a signature that signs nothing": (
        "x.py",
        'def f(sig="abc"): ...\nurl = "?v=1&sig=short"\nSIG=1\n',
    ),
    # Data.
    "image in a notebook": ("nb.ipynb", notebook(output=_own_encoded_noise())),
    "data URL": ("page.html", f'<img src="data:image/png;base64,{_own_encoded_noise()}">'),
    "numbers": (
        "d.csv",
        "\n".join(",".join(f"{_DICE.random():.12f}" for _ in range(8)) for _ in range(2000)),
    ),
    "names and passwords' hashes": (
        "users.csv",
        "user,password_hash,token\n" + "\n".join(f"u{n},{d}," for n, d in enumerate(_HASHES)),
    ),
    "PNG": ("plot.png", _PNG),
    "Parquet": ("d.parquet", b"PAR1" + _NOISE + b"PAR1"),
    "random text of base64": (
        "weights.b64",
        "\n".join(_own_encoded_noise()[n : n + 76] for n in range(0, 70_000, 76)),
    ),
    "a wheel": ("lib.whl", _zipped()),
    "broken zip": ("x.zip", b"PK\x03\x04" + _NOISE[:500]),
    "empty file": ("__init__.py", ""),
    "UTF-16": ("notes.txt", "password = getpass()\n".encode("utf-16")),
    "allowed by a comment": (
        "conf.py",
        (
            'PASSWORD = "Tr0ub4dor&3x"  # pragma: allowlist secret\n'
            '# pragma: allowlist nextline secret\nTOKEN = "Tr0ub4dor3xTr0ub4dor9y"\n'
        ),
    ),
}
"""Name → a file's name and content."""
