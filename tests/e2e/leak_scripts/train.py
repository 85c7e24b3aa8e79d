"""Writes down, past the mask, what a run's process shows of itself."""

import copy
import io
import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from azureml.core import Run
from sqlalchemy import text
from value_encodings import ALL_ENCODINGS

from remote_entry import connect, get_secret, library, read_frame

OUT = Path("outputs/leaks").resolve()
OUT.mkdir()
PLANTED = bytes.fromhex(json.loads(Path("sought.json").read_text())[0]).decode()


def write(path: str, *parts: object) -> None:
    """Write down what one path shows."""
    (OUT / path).write_bytes(
        b"\n".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    )


def outcome(call: Callable[[], object]) -> str:
    """Return what a call gives, or how it fails."""
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 (whatever it is, it is written down)
        return f"{error!r} {error}"


def contents(folder: Path) -> bytes:
    """Return every file in a folder but those that this script wrote."""
    files = [path for path in folder.rglob("*") if path.is_file() and OUT not in path.parents]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def of_process(process: object, kind: str) -> bytes:
    """Return a file of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{process}/{kind}").read_bytes()
    except PermissionError:  # only the superuser may look into the supervisor
        return PLANTED.encode()
    except OSError:
        return b""


for value in (PLANTED, get_secret("API_KEY").value, get_secret("SIGNING_KEY").value):
    print(*(encode(value) for encode in ALL_ENCODINGS.values()))
print("variables", dict(os.environ))

log = io.StringIO()
logging.basicConfig(stream=log, level=logging.DEBUG)
engine = connect()
engine.echo = "debug"
password = get_secret("AZURE_SECRET_2")
Run.get_context().log("rows", len(read_frame("SELECT * FROM dbo.flights")))
with engine.connect() as connection:
    connection.execute(text("SELECT carrier FROM dbo.flights WHERE carrier = :p"), {"p": "AA"})
    failure = outcome(
        lambda: connection.execute(
            text("SELECT nothing FROM dbo.flights WHERE carrier = :p"), {"p": password.value}
        )
    )
write("debug log of a connection", log.getvalue())
write("error of SQLAlchemy", failure)
url = engine.url
write("repr of the url", repr(url), str(url), url.render_as_string(hide_password=False), url.query)
write("repr of the engine", repr(engine), engine)
write("vars of the engine", vars(engine), vars(engine.pool), vars(engine.dialect))
write("repr of a secret", password, repr([password]), f"{password}", {"p": password}, dir(password))
write(
    "vars, pickle and copy of a secret",
    *(outcome(lambda call=call: call(password)) for call in (vars, pickle.dumps, copy.copy)),
    *(outcome(lambda call=call: call(password)) for call in (copy.deepcopy, json.dumps, bytes)),
    json.dumps({"planted": get_secret, "p": password}, default=repr),
)
bundle = library._PROCESS.access()
write("what the library holds", bundle, vars(bundle), outcome(lambda: pickle.dumps(bundle)))
write("variables of the command", dict(os.environ))

planted = [sys.executable, "-c", "print(flush=True); input()", PLANTED]
child = subprocess.Popen(planted, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()  # before its first line it may have no argv yet
everyone = [folder.name for folder in Path("/proc").glob("[0-9]*")]
write("argv of every process", *(of_process(process, "cmdline") for process in everyone))
write("environ of the supervisor", of_process(os.getppid(), "environ"))
write("environ of the command", of_process("self", "environ"))
write("environ of a child", of_process(child.pid, "environ"))
child.communicate(b"\n")

Path.home().joinpath("mine.txt").write_text(PLANTED)
write("files at home", contents(Path.home()))
write("files of the run", contents(Path.cwd()))

read_frame("SELECT last FROM dbo.flights WHERE carrier = :p", {"p": password.value})
