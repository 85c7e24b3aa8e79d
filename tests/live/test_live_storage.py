"""What only a real storage account can prove of landing there; see README.md in this folder."""

import os
import threading
import uuid
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from support.crash_landing import SILENT, Numbers

from remote_entry.errors import ExtractError
from remote_entry.extract.landing.folder import Landing
from remote_entry.extract.run import extract
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.blob.credential import StorageCredential
from remote_entry.extract.storage.blob.files import BlobFiles, Patience
from remote_entry.extract.storage.blob.lease import Timing
from remote_entry.extract.storage.locations import BlobFolder, location_of
from remote_entry.extract.storage.store import Step, no_step
from remote_entry.library import storage_token_source

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not os.environ.get("SUBMITTER_LIVE_LAKE"), reason="SUBMITTER_LIVE_LAKE is not set"
    ),
]


@pytest.fixture
def spec() -> Iterator[Spec]:
    """Make an extract into a folder of its own, and remove that afterwards."""
    made = Spec.model_validate(
        {
            "name": f"submitter-live-{uuid.uuid4().hex[:8]}",
            "table": "n",
            "cursor": {"column": "id", "kind": "integer"},
            "to": os.environ["SUBMITTER_LIVE_LAKE"],
            "rows_per_file": 3,
        }
    )
    yield made
    container = store_of(made)._container()
    for blob in container.list_blobs(f"{folder_of(made).path}/"):
        container.delete_blob(blob.name)


def folder_of(spec: Spec) -> BlobFolder:
    """Return where it lands."""
    folder = location_of(spec.folder)
    assert isinstance(folder, BlobFolder)
    return folder


def store_of(spec: Spec, step: Step = no_step) -> BlobFiles:
    """Return its store, as this process's identity (STORAGE_AUTH) that waits for no lease."""
    credential = StorageCredential(storage_token_source())
    patience = Patience(lease=Timing(wait=0.0))
    return BlobFiles(folder_of(spec), credential, step, patience)


def test_rows_land_once_in_a_real_container(spec: Spec) -> None:
    """By two windows; a second run is kept out meanwhile, and the lease is gone afterwards."""
    kept_out: list[str] = []

    def step(told: str) -> None:
        if told.startswith("put _log"):
            with pytest.raises(ExtractError) as caught:
                extract(spec, Numbers(7), SILENT, store=store_of(spec))
            kept_out.append(caught.value.kind)

    assert extract(spec, Numbers(7), SILENT, store=store_of(spec, step)).rows == 7
    assert extract(spec, Numbers(11), SILENT, store=store_of(spec)).rows == 4
    assert kept_out == ["extract.held"]
    store = store_of(spec)
    landing = Landing(store)
    files = [
        f"{entry.folder}/{part.file}" for entry in landing.log() for part in landing.parts(entry)
    ]
    rows = [n for file in files for n in pq.read_table(store.open(file))["id"].to_pylist()]
    assert rows == list(range(1, 12))


def test_one_of_many_publishers_wins(spec: Spec) -> None:
    """`If-None-Match: *`, on the real service, and every loser knows."""
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(store_of(spec).publish("race.json", {"n": 1})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
