"""Prints every secret of the run in every encoding, in every way that ends in a log."""

import faulthandler
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from value_encodings import ALL_ENCODINGS, with_lines

from remote_entry import get_secret

PLANTED, CLIENT_SECRET = (
    bytes.fromhex(digits).decode() for digits in json.loads(Path("sought.json").read_text())
)
SECRETS = {
    "planted": PLANTED,
    "client secret": CLIENT_SECRET,
    **{label: get_secret(label).value for label in ("1", "2", "SIGNING_KEY")},
}
TEXTS = [
    f"{name} {encoding} <{encode(value)}>"
    for name, value in with_lines(SECRETS).items()
    for encoding, encode in ALL_ENCODINGS.items()
]


@contextmanager
def section(path: str, descriptor: int = 1) -> Iterator[None]:
    """Mark what one path printed."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.write(descriptor, f"[[{path}\n".encode())
    yield
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.write(descriptor, f"\n]]{path}\n".encode())


def print_all(write: Callable[[str], object]) -> None:
    """Write every secret in every encoding."""
    for text in TEXTS:
        write(text)


def in_single_bytes(text: str) -> None:
    """Write as the slowest of pipes would."""
    for byte in f"{text}\n".encode():
        os.write(1, bytes([byte]))


def in_large_blocks(text: str) -> None:
    """Write more than a pipe holds, with the secret across its border."""
    content = b"." * (65536 - len(text) // 2) + text.encode() + b"." * 100
    while content:
        content = content[os.write(1, content) :]


def in_child(text: str) -> None:
    """Have another program write."""
    subprocess.run(["cat"], input=text.encode(), check=True)


def in_failing_thread(text: str) -> None:
    """Die with the secret in the message."""

    def die() -> None:
        raise ValueError(text)

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()


def with_traceback(text: str) -> None:
    """Log an exception that quotes the secret."""
    try:
        {}[text]
    except KeyError:
        log.exception("caught %s", text)


def as_warning(text: str) -> None:
    """Warn with the secret in the message."""
    warnings.warn(text, stacklevel=1)


warnings.simplefilter("always")
logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger("user")

try:
    environ = Path(f"/proc/{os.getppid()}/environ").read_bytes()
except PermissionError:  # only the superuser may look into the supervisor
    environ = PLANTED.encode()
Path("supervisor.environ").write_bytes(environ)

with section("standard output"):
    print_all(print)
with section("progress bar"):
    print_all(lambda text: print(end=f"\r{text}", flush=True))
with section("single bytes"):
    print_all(in_single_bytes)
with section("large blocks"):
    print_all(in_large_blocks)
with section("child process"):
    in_child("\n".join(TEXTS))
with section("environment of a child"):
    subprocess.run(["env"], check=True)
with section("standard error", 2):
    print_all(lambda text: print(text, file=sys.stderr))
with section("logging", 2):
    print_all(log.info)
with section("logged traceback", 2):
    print_all(with_traceback)
with section("thread's traceback", 2):
    print_all(in_failing_thread)
with section("warning", 2):
    print_all(as_warning)
with section("faulthandler", 2):
    faulthandler.dump_traceback(all_threads=True)
raise ValueError("\n".join(TEXTS))
