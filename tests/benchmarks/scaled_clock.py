"""Run a Python program whose clock goes faster: `scaled_clock.py FACTOR (-m MODULE | FILE) ...`.

Only `time` is replaced, before the program is imported, and in the same way for whoever is
measured: a program that waits 60 s by it waits 60 / FACTOR s.
"""

import concurrent.futures
import queue
import runpy
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

# What the standard library took of the clock at import time stays as it is.
UNTOUCHED = (concurrent.futures, queue, selectors, socket, subprocess, threading)


def scale(factor: float) -> None:
    """Make the clock of this process go faster from now on."""
    sleep = time.sleep
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, _faster(getattr(time, name), factor))
    time.sleep = lambda seconds: sleep(seconds / factor)


def _faster(clock: Callable[[], float], factor: float) -> Callable[[], float]:
    began = clock()
    return lambda: began + factor * (clock() - began)


def main() -> None:
    """Scale the clock, and become the program."""
    scale(float(sys.argv[1]))
    sys.argv = sys.argv[2:]
    if sys.argv[0] == "-m":
        module = sys.argv[1]
        sys.argv = sys.argv[1:]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
