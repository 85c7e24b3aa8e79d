"""A landing in a container that is killed, overtaken or refused, at every request that counts."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import blob_landing
from support.blob_landing import Lake

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import Landing

ROWS, MORE = 4, 3  # what a table has at first, and what it has gained when somebody comes later
FIRST = list(range(1, ROWS + 1))
EVERYTHING = list(range(1, ROWS + MORE + 1))


class KilledError(BaseException):
    """The end of a process that comes no further."""


class Killer:
    """Ends a landing at a step; nothing is sent from then on, as nothing is by the dead.

    Args:
        at: The number of the step.
        then: Done there in place of ending it.
    """

    def __init__(self, at: int, then: Callable[[], object] | None = None) -> None:
        self._left = at
        self._then = then

    def __call__(self, _: str) -> None:
        self._left -= 1
        if self._left < 0 and self._then is None:
            raise KilledError
        if self._left == -1 and self._then is not None:
            self._then()


def steps_of(lake: Lake, name: str) -> list[str]:
    """Return the steps of a landing that nothing happens to."""
    steps: list[str] = []
    lake.land(name, ROWS, steps.append)
    return steps


def check_the_end(lake: Lake, name: str) -> None:
    """Run again when the table has grown; every row is there once, and the watermark behind it."""
    lake.azure.expire_leases()
    lake.land(name, ROWS + MORE)
    assert sorted(lake.landed(name)) == EVERYTHING
    last = Landing(lake.store(name)).log()[-1]
    assert last.window.hi in {str(EVERYTHING[-1] + 1), None}


@pytest.mark.parametrize("kind", ["cursor", "partitions", "everything"])
def test_killed_at_every_step(lake: Lake, kind: str) -> None:
    """The next run leaves what one clean run leaves; readers never see half of a window."""
    steps = steps_of(lake, kind)
    for number, step in enumerate(steps):
        if kind != "cursor" and number % 3 != 1:
            continue  # a disk's files are tried at every step
        name = f"{kind}-killed-{number}"
        with pytest.raises(KilledError):
            lake.land(name, ROWS, Killer(number))
        assert lake.landed(name) in ([], FIRST), step
        check_the_end(lake, name)


def test_overtaken(lake: Lake) -> None:
    """By a run that found the lease gone: the slower one lands nothing twice, and ends well."""
    steps = steps_of(lake, "clean")
    for number in range(3, len(steps), 3):
        name = f"overtaken-{number}"

        def other(name: str = name) -> None:
            lake.azure.expire_leases()
            lake.land(name, ROWS + MORE)

        lake.land(name, ROWS, Killer(number, other))
        assert lake.landed(name) == EVERYTHING, steps[number]
        check_the_end(lake, name)


PUTS = [
    "PUT .*/_lock$",
    "PUT .*/_lock[?]comp=lease",
    "PUT .*_PLAN.json",
    "PUT .*parquet[?]comp=block$",
    "PUT .*parquet[?]comp=blocklist",
    "PUT .*/_parts/",
    "PUT .*_MANIFEST.json",
    "PUT .*/_log/",
]


@pytest.mark.parametrize("put", PUTS)
def test_an_answer_that_is_lost_is_not_somebody_else(lake: Lake, put: str) -> None:
    """The first request was carried out; its repetition finds the name taken, by itself."""
    name = f"lost-{PUTS.index(put)}"
    rule = lake.azure.faults.add("storage", put, lose_answer=True)
    [landed] = lake.land(name, ROWS).landed
    assert rule.remaining == 0
    assert (landed.is_resumed, landed.parts, lake.landed(name)) == (False, 2, FIRST)
    parquet = [blob for blob in lake.blobs(name) if blob.endswith(".parquet")]
    assert len(parquet) == 2


@pytest.mark.parametrize("put", [PUTS[2], PUTS[4], PUTS[7]])
def test_every_answer_is_lost(lake: Lake, put: str) -> None:
    """Of as many attempts as there are: the blob itself tells whose it is."""
    name = f"all-lost-{PUTS.index(put)}"
    lake.azure.faults.add("storage", put, lose_answer=True, times=3)
    [landed] = lake.land(name, ROWS).landed
    assert (landed.is_resumed, sorted(lake.landed(name))) == (False, FIRST)


GETS = ["GET .*comp=list", "GET .*parquet", "HEAD .*parquet"]
REFUSALS = [
    (GETS[0], {"problem": "AuthorizationPermissionMismatch"}, "Storage Blob Data Contributor"),
    (GETS[0], {"problem": "AuthorizationFailure"}, "allow the compute's network"),
    (PUTS[2], {"problem": "ContainerNotFound"}, "there is no such container"),
    (PUTS[1], {"problem": "AuthorizationPermissionMismatch"}, "Storage Blob Data Contributor"),
    (PUTS[1], {"status": 500}, "is not available"),
    (PUTS[0], {"problem": "BlobAlreadyExists"}, "404 BlobNotFound"),
    (PUTS[3], {"problem": "RequestBodyTooLarge"}, "set rows_per_file lower"),
    (PUTS[3], {"problem": "ServerBusy"}, "storage throttled"),
    (PUTS[4], {"problem": "AccountIsDisabled"}, "the storage account is disabled"),
    (PUTS[4], {"drop": True}, "connection"),
    (PUTS[5], {"problem": "InternalError"}, "is not available"),
    (PUTS[6], {"status": 429}, "fewer at once"),
    (PUTS[7], {"silent": True}, "it did not answer in time"),
    (GETS[1], {"problem": "ServerBusy"}, "storage throttled"),
    (GETS[1], {"cut_body": True}, "the connection broke off"),
    (GETS[2], {"status": 418}, "look InjectedFault up"),
]


@pytest.mark.parametrize(("request_", "fault", "said"), REFUSALS)
def test_a_refusal_that_stays_is_told(
    lake: Lake, request_: str, fault: dict[str, object], said: str
) -> None:
    """What happened, where, the next step; the run after it goes on where this one was."""
    name = f"refused-{REFUSALS.index((request_, fault, said))}"
    lake.azure.faults.add("storage", request_, times=None, **fault)
    patience = {"read": 0.2} if "silent" in fault else {}
    with pytest.raises(ExtractError) as caught:
        lake.land(name, ROWS, **patience)
    assert said in str(caught.value)
    assert f"abfss://lake@emulatorstore.dfs.core.windows.net/nightly/{name}" in str(caught.value)
    assert caught.value.hint
    assert caught.value.kind.startswith("extract.storage-")
    error: BaseException | None = caught.value
    while error is not None:  # an SDK's error would hold the token
        assert isinstance(error, ExtractError)
        error = error.__context__
    lake.azure.faults.clear()
    assert lake.landed(name) == []
    check_the_end(lake, name)


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500}, {"drop": True}, {"silent": True}], ids=str
)
def test_what_passes_is_overcome(lake: Lake, fault: dict[str, object]) -> None:
    """Every kind of request fails once, and nobody hears of it."""
    name = f"passing-{'-'.join(map(str, fault.items()))}".translate(str.maketrans("", "", "(',) "))
    kinds = [*PUTS, *GETS]
    for request_ in kinds[::3] if "silent" in fault else kinds:
        lake.azure.faults.add("storage", request_, **fault)
    assert lake.land(name, ROWS, read=0.3).rows == ROWS
    assert lake.landed(name) == FIRST


def test_a_process_that_is_really_killed(lake: Lake) -> None:
    """By SIGKILL: its lease keeps the next run out for a while, and then that goes on."""
    name = "really-killed"
    script = Path(blob_landing.__file__)
    environ = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(
        [sys.executable, script, name, str(ROWS), "put _log"], env=environ, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert lake.landed(name) == []
    with pytest.raises(ExtractError, match="holds it, and still did"):
        lake.land(name, ROWS)
    check_the_end(lake, name)
