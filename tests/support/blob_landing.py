"""Extracts into a container of the emulator, in this process: the real SDKs, a table of numbers."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from remote_entry.access_token import AccessToken
from remote_entry.azure.identity import STORAGE_SCOPE, fresh_token_source
from remote_entry.extract.landing.folder import Landing, of_last_version
from remote_entry.extract.run import Outcome, Watch, extract
from remote_entry.extract.spec import Spec
from remote_entry.extract.storage.blob.credential import StorageCredential
from remote_entry.extract.storage.blob.files import BlobFiles, Patience
from remote_entry.extract.storage.blob.lease import Timing
from remote_entry.extract.storage.locations import BlobFolder
from remote_entry.extract.storage.store import Step, no_step
from remote_entry.hidden import Hidden
from remote_entry.settings import IdentitySettings
from support.crash_landing import SILENT, WAYS, Numbers

if TYPE_CHECKING:
    from submitter.emulator import Emulator

ACCOUNT, CONTAINER = "emulatorstore", "lake"
READER_ID = "99999999-9999-9999-9999-999999999999"
MANAGED_ID = "88888888-8888-8888-8888-888888888888"
CONFIG: Mapping[str, Any] = {
    "service_principals": [
        {
            "client_id": "44444444-4444-4444-4444-444444444444",
            "storage_role": "Storage Blob Data Contributor",
        },
        {
            "client_id": READER_ID,
            "name": "reader",
            "client_secret": "the reader's",
            "storage_role": "Storage Blob Data Reader",
        },
    ],
    "managed_identities": [
        {
            "name": "landing",
            "client_id": MANAGED_ID,
            "storage_role": "Storage Blob Data Contributor",
        }
    ],
    "storage": {"containers": [CONTAINER]},
    "sql": None,
}


@dataclass
class Lake:
    """A container of a running emulator.

    Attributes:
        azure: The emulator.
        token: Fetches tokens; counted in ``tokens``.
        warnings: What extracts have met and overcome.
        waits: Seconds that somebody waited for a lease; they pass at once.
    """

    azure: "Emulator"
    tokens: int = 0
    warnings: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    client_id: str = ""
    client_secret: str = ""
    _last: AccessToken | None = None
    _containers: dict[int, Any] = field(default_factory=dict)

    def token(self) -> AccessToken:
        """Fetch a new token from the emulator's Entra ID."""
        self.tokens += 1
        environ = self.azure.environ
        identity = IdentitySettings(
            tenant_id=environ["AZURE_TENANT_ID"],
            client_id=self.client_id or environ["AZURE_CLIENT_ID"],
            client_secret=Hidden(self.client_secret or environ["AZURE_CLIENT_SECRET"]),
        )
        return fresh_token_source(identity, STORAGE_SCOPE, 20)()

    def kept_token(self) -> AccessToken:
        """Return the same token again and again: most tests are about something else."""
        self._last = self._last or self.token()
        return self._last

    def store(
        self,
        name: str,
        step: Step = no_step,
        *,
        token: Callable[[], AccessToken] | None = None,
        container: str = CONTAINER,
        **patience: Any,
    ) -> BlobFiles:
        """Return a data set's store; nobody waits between attempts."""
        now = [0.0]

        def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            now[0] += seconds

        timing = Timing(clock=lambda: now[0], sleep=sleep)
        self.waits.clear()
        quick = {"retries": 2, "base": 0, "jitter": 0, "read": 1.0, "lease": timing, **patience}
        root = BlobFolder(ACCOUNT, container, f"nightly/{name}")
        credential = StorageCredential(token or self.kept_token)
        files = BlobFiles(root, credential, step, Patience(**quick))
        if not (token or patience) and container == CONTAINER:
            files._containers = self._containers  # one connection for many
        return files

    def land(self, name: str, rows: int, step: Step = no_step, **options: Any) -> Outcome:
        """Extract the numbers, three to a part."""
        store = options.pop("store", None) or self.store(name, step, **options)
        watch = Watch(lambda *_: None, lambda *_: None, self.warnings.append)
        return extract(spec_of(name), Numbers(rows), watch, store=store)

    def landed(self, name: str) -> list[int]:
        """Return what readers read."""
        store = self.store(name)
        landing = Landing(store)
        names = [
            f"{entry.folder}/{part.file}"
            for entry in of_last_version(landing.log())
            for part in landing.parts(entry)
            if part.file
        ]
        return [n for each in names for n in pq.read_table(store.open(each))["id"].to_pylist()]

    def blobs(self, name: str) -> list[str]:
        """Return every blob of a data set."""
        prefix = f"nightly/{name}/"
        listed = self.store(name)._container().list_blobs(prefix)
        return [each.name.removeprefix(prefix) for each in listed]


def spec_of(name: str) -> Spec:
    """Return an extract of the numbers into the container; its name begins with the way."""
    way = {"everything": "everything", "partitions": "in partitions"}.get(name.partition("-")[0])
    return Spec.model_validate(
        {
            "name": name,
            "table": "n",
            "to": f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/nightly",
            **WAYS[way or "by cursor"],
            "rows_per_file": 3,
        }
    )


@contextmanager
def play_lake() -> Iterator[Lake]:
    """Start an emulator with a container, and point this process at it."""
    from submitter.emulator import Emulator

    before = dict(os.environ)
    with Emulator(CONFIG) as azure:
        os.environ.update(azure.environ)
        try:
            yield Lake(azure)
        finally:
            os.environ.clear()
            os.environ.update(before)
        assert (azure.egress, azure.unknown_routes) == ([], [])


def main(name: str, rows: int, at: str) -> None:
    """Land until a step, and be killed there; the emulator is another process's."""

    def step(told: str) -> None:
        if told.startswith(at):
            os.kill(os.getpid(), signal.SIGKILL)

    environ = os.environ
    identity = IdentitySettings(
        tenant_id=environ["AZURE_TENANT_ID"],
        client_id=environ["AZURE_CLIENT_ID"],
        client_secret=Hidden(environ["AZURE_CLIENT_SECRET"]),
    )
    credential = StorageCredential(fresh_token_source(identity, STORAGE_SCOPE, 20))
    store = BlobFiles(BlobFolder(ACCOUNT, CONTAINER, f"nightly/{name}"), credential, step)
    extract(spec_of(name), Numbers(rows), SILENT, store=store)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
