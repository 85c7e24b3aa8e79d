"""Fetching files: whole or not at all, and never one byte that is here already."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.scripted_run import ScriptedRun

from submitter.backends.base import BusyError, ExpiredAddressError, FileChangedError
from submitter.errors import FolderError, NotFoundError, ServiceError
from submitter.runs.downloads import Progress, download

PIECE = 1000


@dataclass
class Stream:
    """A file that is read in pieces, and breaks where a test says."""

    content: bytes
    offset: int
    etag: str
    md5: str
    breaks: list[int]
    size: int = 0
    modified: float = 1_700_000_000.0

    def __post_init__(self) -> None:
        self.size = len(self.content)

    def pieces(self) -> Iterator[bytes]:
        breaks = self.breaks.pop(0) if self.breaks else self.size
        for start in range(self.offset, self.size, PIECE):
            if start >= breaks:
                raise ServiceError("The connection was cut.")
            yield self.content[start : start + PIECE]
        if breaks > self.size:
            raise ServiceError("The connection was cut after the last byte.")

    def close(self) -> None: ...


@dataclass
class Files(ScriptedRun):
    """A run with files.

    Attributes:
        kept: Name → content.
        knows_md5: Whether the service has checksums.
        breaks: Where the next readings break off.
        refusals: What the next openings raise.
        opened: Which files were opened, and at which offset.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    knows_md5: bool = False
    wrong_md5: bool = False
    breaks: list[int] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    opened: list[tuple[str, int]] = field(default_factory=list)

    def files(self) -> list[str]:
        return sorted(self.kept)

    def addresses(self, prefix: str) -> Mapping[str, str]:
        self.asked["addresses"] = self.asked.get("addresses", 0) + 1
        return {name: f"at {name}" for name in self.kept if name.startswith(prefix)}

    def open_file(self, address: str, offset: int = 0, etag: str = "") -> Stream:
        name = address.removeprefix("at ")
        if self.refusals:
            raise self.refusals.pop(0)
        content = self.kept[name]
        now = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        if etag not in ("", now):
            raise FileChangedError("The file has changed.")
        self.opened.append((name, offset))
        digest = hashlib.md5(content + b"!" * self.wrong_md5, usedforsecurity=False).digest()
        md5 = base64.b64encode(digest).decode() if self.knows_md5 else ""
        return Stream(content, offset, now, md5, self.breaks)


BIG = bytes(range(251)) * 100


def fetch(run: Files, folder: Path, prefix: str = "outputs") -> list[str]:
    """Fetch without waiting; return the paths below the folder."""
    paths = download(run, folder, prefix, sleep=lambda _: None)
    return [path.relative_to(folder).as_posix() for path in paths]


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, parts included."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_arrive_whole(tmp_path: Path) -> None:
    """Below the folder, with their own paths: blanks, other scripts, no content, long names."""
    names = ["outputs/a b/mödel 模型.bin", "outputs/empty", f"outputs/{'n' * 255}"]
    run = Files(kept={name: BIG * (name != "outputs/empty") for name in names})
    assert sorted(fetch(run, tmp_path / "new")) == sorted(names)
    assert everything_in(tmp_path / "new") == run.kept


@pytest.mark.parametrize("knows_md5", [True, False])
def test_what_is_here_is_not_fetched_again(tmp_path: Path, knows_md5: bool) -> None:  # noqa: FBT001
    """Known by its checksum, or else by its size and time."""
    run = Files(kept={"outputs/a": BIG}, knows_md5=knows_md5)
    fetch(run, tmp_path)
    seen: list[Progress] = []
    before = (tmp_path / "outputs/a").stat().st_ino
    download(run, tmp_path, on_progress=seen.append, sleep=lambda _: None)
    assert (tmp_path / "outputs/a").stat().st_ino == before
    assert seen == [Progress("outputs/a", len(BIG), len(BIG))]


@pytest.mark.parametrize("knows_md5", [True, False])
def test_what_only_looks_the_same_is_fetched(tmp_path: Path, knows_md5: bool) -> None:  # noqa: FBT001
    """A file of the same size that was changed here, or there."""
    run = Files(kept={"outputs/a": BIG}, knows_md5=knows_md5)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/a").write_bytes(bytes(len(BIG)))
    fetch(run, tmp_path)
    assert (tmp_path / "outputs/a").read_bytes() == BIG


def test_a_connection_that_is_cut_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Within one download, each time from the bytes that are here."""
    run = Files(kept={"outputs/a": BIG}, breaks=[5000, 12_000])
    fetch(run, tmp_path)
    assert everything_in(tmp_path) == {"outputs/a": BIG}
    assert run.opened == [("outputs/a", 0), ("outputs/a", 4999), ("outputs/a", 12_998)]


def test_an_interrupted_download_goes_on_in_the_next(tmp_path: Path) -> None:
    """And until then there is no half file under the final name."""
    run = Files(kept={"outputs/a": BIG}, breaks=[5000], refusals=[])
    broken = lambda: run.refusals.extend([ServiceError("503")] * 10)  # noqa: E731

    def sleep(_: float) -> None:
        broken()

    with pytest.raises(ServiceError, match=r"Could not fetch outputs/a .* goes on from where"):
        download(run, tmp_path, sleep=sleep)
    (part,) = everything_in(tmp_path)
    assert part.startswith("outputs/.submitter-")
    run.refusals.clear()
    fetch(run, tmp_path)
    assert run.opened[-1] == ("outputs/a", 4999)
    assert everything_in(tmp_path) == {"outputs/a": BIG}


def test_a_part_that_is_whole_only_needs_its_name(tmp_path: Path) -> None:
    """An interruption between the last byte and the move."""
    run = Files(kept={"outputs/a": BIG}, breaks=[len(BIG) + 1])
    fetch(run, tmp_path)
    assert run.opened[-1] == ("outputs/a", len(BIG) - 1)
    assert everything_in(tmp_path) == {"outputs/a": BIG}


def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    """Never two halves of two contents."""
    run = Files(kept={"outputs/a": BIG}, breaks=[5000])

    def change(_: float) -> None:
        run.kept["outputs/a"] = BIG[::-1]

    download(run, tmp_path, sleep=change)
    assert everything_in(tmp_path) == {"outputs/a": BIG[::-1]}


def test_a_wrong_checksum_is_never_accepted(tmp_path: Path) -> None:
    """Nor is what was fetched kept."""
    run = Files(kept={"outputs/a": BIG}, knows_md5=True, wrong_md5=True)
    with pytest.raises(ServiceError, match="MD5"):
        fetch(run, tmp_path)
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize(
    "error", [BusyError("503.", 1.0), ExpiredAddressError("403"), ServiceError("reset")]
)
def test_a_refusal_that_passes_is_borne(tmp_path: Path, error: Exception) -> None:
    """An expired address is asked for anew."""
    run = Files(kept={"outputs/a": BIG}, refusals=[error])
    fetch(run, tmp_path)
    assert everything_in(tmp_path) == {"outputs/a": BIG}
    assert run.asked["addresses"] == (2 if isinstance(error, ExpiredAddressError) else 1)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "outputs/../../evil", "outputs/..", "", "a\0b"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is written; a run's files are named by whoever wrote its script."""
    run = Files(kept={"fine": b"1", name: b"2"})
    folder = tmp_path / "a" / "b"
    with pytest.raises(FolderError, match="would end outside of the folder"):
        fetch(run, folder, prefix="")
    assert everything_in(tmp_path) == {}


def test_a_name_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    """A file `outputs` here, a folder `outputs` there."""
    (tmp_path / "outputs").write_bytes(b"mine")
    with pytest.raises(FolderError, match="Could not write"):
        fetch(Files(kept={"outputs/a": b"1"}), tmp_path)
    assert (tmp_path / "outputs").read_bytes() == b"mine"


def test_a_name_that_is_too_long_here_is_said(tmp_path: Path) -> None:
    """256 bytes are one more than file systems take."""
    with pytest.raises(FolderError, match="name too long"):
        fetch(Files(kept={f"outputs/{'n' * 256}": b"1"}), tmp_path)


def test_a_prefix_without_files_is_answered_with_what_there_is(tmp_path: Path) -> None:
    """And nothing is made."""
    with pytest.raises(NotFoundError, match="It has: outputs/a"):
        fetch(Files(kept={"outputs/a": b"1"}), tmp_path / "new", prefix="models")
    assert not (tmp_path / "new").exists()
