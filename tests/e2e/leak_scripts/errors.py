"""Writes down what an error of ours shows, without a supervisor that would mask it."""

import gc
import io
import json
import logging
import sys
import traceback
import types
from pathlib import Path

from rich.console import Console
from rich.traceback import Traceback

from remote_entry import connect, get_secret

DEPTH = 6
NOT_FOLLOWED = (types.ModuleType, type, types.FunctionType, types.FrameType, types.TracebackType)

log = io.StringIO()
logging.basicConfig(stream=log, level=logging.DEBUG)


def reached(start: object) -> list[object]:
    """Return what an object refers to, a few steps deep; frames are shown, not followed."""
    known = {id(start): start}
    layer = [start]
    for _ in range(DEPTH):
        layer = [
            item
            for item in gc.get_referents(*layer)
            if id(item) not in known and not isinstance(item, NOT_FOLLOWED)
        ]
        known.update((id(item), item) for item in layer)
    return list(known.values())


def with_locals(error: BaseException) -> str:
    """Return the traceback as rich and as pytest's -l print it."""
    shown = io.StringIO()
    picture = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None
    )
    Console(file=shown, width=200).print(picture)
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    return shown.getvalue() + "".join(plain.format())


kind, folder = sys.argv[1:]
calls = {"secret": lambda: get_secret("2"), "login": connect}
views = {}
try:
    calls[kind]()
except Exception as error:  # noqa: BLE001 (whatever it is, it is written down)
    views = {
        "text": f"{error!r} {error} {vars(error)}",
        "origin": repr([error.__cause__, error.__context__]),
        "locals": with_locals(error),
        "reached": "\n".join(str(item) for item in reached(error) if isinstance(item, str | bytes)),
    }
Path(folder).write_text(json.dumps({**views, "log": log.getvalue()}))
