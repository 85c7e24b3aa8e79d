"""A data set in a container: its operations, tokens, lease, and how it is read."""

import io
import threading
from pathlib import Path

import pandas as pd
import pytest
from support.blob_landing import ACCOUNT, CONTAINER, MANAGED_ID, READER_ID, Lake

from remote_entry.access_token import AccessToken
from remote_entry.azure.identity import STORAGE_SCOPE, fresh_token_source
from remote_entry.errors import ExtractError, IdentityError, SettingsError
from remote_entry.extract import committed_parts, open_part
from remote_entry.extract.storage.blob.credential import StorageCredential
from remote_entry.extract.storage.blob.lease import Lease, Timing
from remote_entry.extract.storage.blob.new_blob import NewBlob
from remote_entry.extract.storage.locations import BlobFolder
from remote_entry.extract.storage.store import no_step
from remote_entry.hidden import Hidden
from remote_entry.library import Access, _Process
from remote_entry.settings import IdentitySettings, SqlSettings
from remote_entry.settings.identity import MANAGED_IDENTITY
from remote_entry.supervision.handover import Bundle
from submitter.emulator import TokenFault


def test_a_document_is_published_once(lake: Lake) -> None:
    """By the first one; even the same document of another process is another's."""
    one, other = lake.store("documents"), lake.store("documents")
    assert one.publish("d/x.json", {"n": 1})
    assert not other.publish("d/x.json", {"n": 1})
    assert other.read("d/x.json") == {"n": 1}
    assert other.read("d/x.json", sha256=one.digest("d/x.json")) == {"n": 1}
    assert other.read("d/x.json", sha256="0" * 64) is None
    assert other.read("d/none.json") is None
    with pytest.raises(FileNotFoundError, match="nightly/documents/d/none.json"):
        other.digest("d/none.json")


def test_many_documents_are_read_ahead(lake: Lake) -> None:
    """Once, and one that is missing or refused is told as if it were read alone."""
    names = [f"{number}.json" for number in range(20)]
    for name in names:
        lake.store("ahead").publish(name, {"name": name})
    store = lake.store("ahead")
    store.read_ahead([*names, "none.json"])
    before = len(lake.azure.requests)
    assert [store.read(name)["name"] for name in names] == names
    assert len(lake.azure.requests) == before
    assert store.read("none.json") is None
    lake.azure.faults.add("storage", "GET .*/19.json", status=403, times=None)
    with pytest.raises(ExtractError, match="Reading 19.json in abfss://.* failed"):
        lake.store("ahead").read_ahead(names)


def test_names_are_those_of_one_folder(lake: Lake) -> None:
    """Files and folders, sorted, nothing of a neighbour, and nothing where there is nothing."""
    store = lake.store("names")
    for name in ("b.json", "a/1.json", "a/2.json", "a/deep/3.json", "c/4.json"):
        store.publish(name, {})
    lake.store("names2").publish("other.json", {})
    assert store.names() == ["a", "b.json", "c"]
    assert store.names("a") == ["1.json", "2.json", "deep"]
    assert store.names("none") == []
    store.remove("b.json")
    store.remove("b.json")  # nobody minds
    assert store.names() == ["a", "c"]


def new_blob(lake: Lake, name: str, block_bytes: int) -> NewBlob:
    """Create a blob with small blocks."""
    store = lake.store("new")
    return NewBlob(store._blob(name), name, store.root, no_step, block_bytes)


def test_a_blob_is_there_when_it_is_whole(lake: Lake) -> None:
    """It never keeps more than a block in memory, and a reader finds any place in it."""
    content = bytes(range(256)) * 40
    blob = new_blob(lake, "whole", 1000)
    for start in range(0, len(content), 300):
        blob.write(content[start : start + 300])
        assert len(blob._buffer) < 1000
    assert lake.store("new").names() == []
    blob.finish()
    assert (blob.size, blob.closed, len(blob._blocks)) == (len(content), True, 11)
    with lake.store("new").open("whole") as file:
        assert file.seek(-5, io.SEEK_END) == len(content) - 5
        assert file.read() == content[-5:]
        assert file.read(5) == b""
        assert file.seek(300) == 300
        assert (file.read(7), file.tell()) == (content[300:307], 307)
        before = len(lake.azure.requests)
        assert file.read() == content[307:]
        assert len(lake.azure.requests) == before + 1
        for wrong in ((-1, io.SEEK_SET), (0, 9)):
            with pytest.raises(ValueError, match="has no place"):
                file.seek(*wrong)
    for use in (file.tell, file.read, lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_blob_that_could_not_be_written_does_not_hide_why(lake: Lake) -> None:
    """The next block tells; the end of a file, which a writer adds when it closes, does not."""
    blob = new_blob(lake, "failed", 100)
    lake.azure.faults.add("storage", "comp=block$", status=403, times=None)
    assert blob.write(b"x" * 100) == 100  # its block is sent while the next rows are written
    with pytest.raises(ExtractError, match="Storage Blob Data Contributor"):
        blob.write(b"x" * 100)
    assert blob.write(b"x" * 100) == 100
    blob.close()
    assert "failed" not in lake.store("new").names()


def test_a_name_that_somebody_else_took_is_refused(lake: Lake) -> None:
    """A part's name is its writer's own: nobody may have it, and nobody's blob is replaced."""
    first, second = new_blob(lake, "taken", 100), new_blob(lake, "taken", 100)
    first.write(b"first")
    first.finish()
    second.write(b"second")
    with pytest.raises(ExtractError, match="taken"):
        second.finish()
    assert lake.store("new").open("taken").read() == b"first"


def test_a_role_that_only_reads_is_not_enough(lake: Lake) -> None:
    """And the message says which one is, and where."""
    reader = Lake(lake.azure, client_id=READER_ID, client_secret="the reader's")
    assert reader.landed("unheard-of") == []
    with pytest.raises(ExtractError) as caught:
        reader.land("read-only", 4)
    assert "403 AuthorizationPermissionMismatch" in caught.value.message
    assert "'Storage Blob Data Contributor' on the container" in caught.value.hint
    with pytest.raises(ExtractError, match="there is no such container"):
        lake.land("no-container", 4, container="nowhere")


def test_a_managed_identity_lands(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compute target's: there is no credential at all."""
    for variable, value in lake.azure.managed_identity("landing").items():
        monkeypatch.setenv(variable, value)
    identity = IdentitySettings(MANAGED_IDENTITY, managed_identity_client_id=MANAGED_ID)
    token = fresh_token_source(identity, STORAGE_SCOPE, 20)
    assert lake.land("managed", 4, token=token).rows == 4


def challenge(lake: Lake) -> dict[str, str]:
    """Return the header by which storage refuses a token."""
    authority = f"https://login.microsoftonline.com/{lake.azure.config.tenant_id}/oauth2/authorize"
    resource = STORAGE_SCOPE.removesuffix("/.default")
    return {"WWW-Authenticate": f"Bearer authorization_uri={authority} resource_id={resource}"}


@pytest.mark.parametrize("request_", ["comp=block$", "comp=blocklist", "_parts/", "comp=list"])
def test_a_token_that_is_refused_in_mid_extract_is_renewed(lake: Lake, request_: str) -> None:
    """Once, and the extract hears nothing of it."""
    lake.tokens = 0
    lake.azure.faults.add("storage", request_, status=401, headers=challenge(lake))
    assert lake.land(f"refused-token-{len(request_)}", 4, token=lake.token).rows == 4
    assert lake.tokens == 2


def test_an_extract_outlives_its_tokens(lake: Lake) -> None:
    """The first one has ended when it is first used; others are about to, at every request."""
    lake.tokens = 0
    lake.azure.faults.add("entra", "POST", token=TokenFault(seconds=-60))
    lake.azure.faults.add("entra", "POST", token=TokenFault(seconds=20), times=8)
    assert lake.land("outlives", 4, token=lake.token).rows == 4
    assert lake.landed("outlives") == [1, 2, 3, 4]
    assert lake.tokens == 10


def test_a_token_that_stays_refused_is_told(lake: Lake) -> None:
    """With what to look at."""
    lake.azure.faults.add("entra", "POST", token=TokenFault(tenant="other"), times=None)
    with pytest.raises(ExtractError) as caught:
        lake.land("refused-for-good", 4, token=lake.token)
    assert "401 InvalidAuthenticationInfo" in caught.value.message
    assert "the tenant of AZURE_TENANT_ID" in caught.value.hint


def test_no_token_is_an_error_of_the_identity(lake: Lake) -> None:
    """Not of the storage, whose last answer does not come along: its request holds a token."""

    def step(told: str) -> None:
        if not told.startswith("put"):
            return
        lake.azure.faults.add("storage", "PUT", status=401, headers=challenge(lake))
        lake.azure.faults.add("entra", "POST", problem="AADSTS7000222", times=None)

    with pytest.raises(IdentityError, match="has expired") as caught:
        lake.land("no-token", 4, step, token=lake.token)
    error: BaseException | None = caught.value
    while error is not None:
        assert isinstance(error, IdentityError)
        error = error.__cause__ or error.__context__


def test_a_token_is_used_to_its_end_while_there_is_no_other() -> None:
    """Entra ID may be away for a minute; one that storage has refused is of no use."""
    now = [0.0]
    answers: list[AccessToken | IdentityError] = [
        AccessToken(Hidden("first"), 1000),
        *(IdentityError("away", kind="identity.unavailable") for _ in range(3)),
        AccessToken(Hidden("second"), 2000),
    ]

    def fetch() -> AccessToken:
        answer = answers.pop(0)
        if isinstance(answer, IdentityError):
            raise answer
        return answer

    credential = StorageCredential(fetch, clock=lambda: now[0])
    assert credential.get_token("scope").token == "first"
    now[0] = 900.0
    assert credential.get_token("scope").token == "first"
    with pytest.raises(IdentityError, match="away"):
        credential.get_token("scope", tenant_id="from a challenge")
    now[0] = 980.0
    with pytest.raises(IdentityError, match="away"):
        credential.get_token("scope")
    assert credential.get_token("scope") == ("second", 2000)


def lease(lake: Lake, name: str, warnings: list[str], **timing: float) -> Lease:
    """Return a lease on a data set, renewed in real time."""
    store = lake.store(name)
    return Lease(
        store._blob("_lock"), store.root, "run-7", warnings.append, no_step, Timing(**timing)
    )


def test_the_lease_is_kept_until_the_end(lake: Lake) -> None:
    """A thread renews it; the next run need not wait."""
    warnings: list[str] = []
    renewed = threading.Event()
    held = lease(lake, "kept", warnings, renew=0.01)
    renew = held.renew

    def told() -> bool:
        done = renew()
        renewed.set()
        return done

    held.renew = told
    with held:
        assert renewed.wait(30)
        state = lake.store("kept")._blob("_lock").get_blob_properties().lease.state
        assert state == "leased"
    assert lake.land("kept", 4).rows == 4
    assert (lake.waits, warnings, lake.warnings) == ([], [], [])


def test_a_run_waits_for_one_that_was_killed(lake: Lake) -> None:
    """Its lease has ended by then; whose it was is said."""
    lease(lake, "waited", [], renew=1e6).__enter__()  # and never left: that process is dead
    store = lake.store("waited")

    def sleep(seconds: float) -> None:
        lake.waits.append(seconds)
        if sum(lake.waits) >= 60:
            lake.azure.expire_leases()

    object.__setattr__(store._patience.lease, "sleep", sleep)
    assert lake.land("waited", 4, store=store).rows == 4
    assert sum(lake.waits) == 60
    [warning] = lake.warnings
    assert "nightly/waited is held by run-7 since 20" in warning


def test_a_run_does_not_wait_for_ever(lake: Lake) -> None:
    """After 75 s it says who holds the data set, and what to do."""
    with lease(lake, "held", []), pytest.raises(ExtractError) as caught:
        lake.land("held", 4)
    assert caught.value.kind == "extract.held"
    assert "run-7 since 20" in caught.value.message
    assert "still did after 75 s" in caught.value.message
    assert "break the lease of the blob _lock" in caught.value.hint
    assert sum(lake.waits) == 75


def test_a_run_that_is_stopped_at_once_keeps_nobody_out(lake: Lake) -> None:
    """Also between the lease and the note of who holds it."""

    def stop(step: str) -> None:
        if step == "note the holder":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lake.land("stopped", 4, store=lake.store("stopped", stop))
    assert lake.land("stopped", 4).rows == 4
    assert lake.waits == []


def test_what_is_given_up_asks_nothing_of_storage(lake: Lake) -> None:
    """Without a list of its blocks there is no blob; storage may be why it is given up."""
    blob = new_blob(lake, "given up", 100)
    blob.write(b"x" * 300)
    blob._wait()
    before = len(lake.azure.requests)
    blob.discard()
    assert (blob.closed, len(lake.azure.requests)) == (True, before)
    assert "given up" not in lake.store("new").names()


def test_a_lost_lease_is_told_and_stops_nothing(lake: Lake) -> None:
    """Another run has it; what is landed does not depend on it."""
    warned = threading.Event()
    warnings: list[str] = []
    held = lease(lake, "lost", warnings, renew=0.01)

    def warn(text: str) -> None:
        warnings.append(text)
        warned.set()

    held._warn = warn
    with held:
        lake.azure.expire_leases()
        with lease(lake, "lost", []):
            assert warned.wait(30)
    assert len(warnings) == 1
    assert "is lost: another run may land there too" in warnings[0]


def test_a_lease_that_cannot_be_renewed_is_told_once(lake: Lake) -> None:
    """When its time is over; when storage is back, so is the lease, if nobody came."""
    now, told = [0.0], threading.Event()
    warnings: list[str] = []
    held = lease(lake, "unrenewed", warnings, renew=0.01)
    object.__setattr__(held._timing, "clock", lambda: now[0])

    def warn(text: str) -> None:
        warnings.append(text)
        told.set()

    held._warn = warn
    with held:
        lake.azure.faults.add("storage", "comp=lease", status=503, times=None)
        now[0] = 61.0
        assert told.wait(30)
        lake.azure.faults.clear()
    assert len(warnings) == 1
    assert "has run out" in warnings[0]


def test_parts_are_read_by_those_who_know_pandas(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As this run's identity: no sign-in of pyarrow's, no adlfs."""
    lake.land("readable", 4)
    process = _Process()
    monkeypatch.setattr("remote_entry.library._PROCESS", process)
    process._access = Access(Bundle(), SqlSettings())
    folder = BlobFolder(ACCOUNT, CONTAINER, "nightly/readable")
    with pytest.raises(SettingsError, match="STORAGE_AUTH") as caught:
        committed_parts(str(folder))
    assert "service-principal or managed-identity" in caught.value.hint
    process._access = Access(Bundle(), SqlSettings(), storage_token=lake.token)
    parts = committed_parts(str(folder))
    assert parts == committed_parts(folder)
    assert all(str(part).startswith(f"{folder}/00000001-1/part-0") for part in parts)
    frames = [pd.read_parquet(open_part(part)) for part in parts]
    assert pd.concat(frames)["id"].to_list() == [1, 2, 3, 4]


def test_a_local_part_is_opened_the_same_way(tmp_path: Path) -> None:
    """Whoever reads need not know where a data set lies."""
    (tmp_path / "part").write_bytes(b"rows")
    with open_part(tmp_path / "part") as file, open_part(str(tmp_path / "part")) as other:
        assert file.read() == other.read() == b"rows"
