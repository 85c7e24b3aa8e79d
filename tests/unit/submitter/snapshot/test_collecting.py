"""Which files travel."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.trees import kept_out, own_files, write

from submitter import snapshot
from submitter.errors import SnapshotError

NOBODY = 65534


def test_remote_entry_travels_beside_the_code(tmp_path: Path) -> None:
    """The run needs no image that holds this package."""
    write(tmp_path, "train.py")
    paths = [str(file.path) for file in snapshot.collect(tmp_path).files]
    assert "train.py" in paths
    assert "remote_entry/__main__.py" in paths
    assert not [path for path in paths if "__pycache__" in path]


def test_a_job_without_code_brings_remote_entry_alone() -> None:
    """A command may need no file at all."""
    assert {file.path.parts[0] for file in snapshot.collect(None).files} == {"remote_entry"}


@pytest.mark.parametrize(
    "name",
    [
        *("a b.txt", "ünï/漢字.txt", "😀/🚀.py", "-rf", "--help", "a'b\"c.txt", "$(x).py", "a\\b"),
        *("new\nline.txt", "tab\t.py", " leading", "trailing ", ".hidden", "a;b&c|d", "n" * 255),
    ],
)
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    """A path in the run is the path on the laptop."""
    write(tmp_path, name)
    assert own_files(tmp_path) == [name]


def test_names_that_differ_in_case_or_in_form_alone_stay_two(tmp_path: Path) -> None:
    """Where the file system knows two, two travel: `É` as one code point and as two."""
    names = ["Data.py", "data.py", "\u00c9.py", "E\u0301.py"]
    write(tmp_path, *names)
    assert sorted(own_files(tmp_path)) == sorted(names)


def test_a_name_that_is_no_text_is_refused_unless_it_is_left_out(tmp_path: Path) -> None:
    """azureml-core would end with UnicodeEncodeError."""
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("x")
    with pytest.raises(SnapshotError, match=r"caf\\udce9\.csv' is not UTF-8"):
        snapshot.collect(tmp_path)
    (tmp_path / ".amlignore").write_text("caf*\n")
    assert own_files(tmp_path) == []


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """A link travels as what it points at; one that leads nowhere or back is named."""
    write(tmp_path, "code/train.py", "code/a/x.py", "code/b/y.py", "shared/tool.py", "one.csv")
    code = tmp_path / "code"
    (code / "tools").symlink_to(tmp_path / "shared")
    (code / "data.csv").symlink_to(tmp_path / "one.csv")
    (code / "up").symlink_to(code)
    (code / "a/b").symlink_to(code / "b")
    (code / "b/a").symlink_to(code / "a")
    (code / "broken").symlink_to(tmp_path / "nowhere")
    (code / "self").symlink_to(code / "self")
    assert own_files(code) == [
        *("a/b/y.py", "a/x.py", "b/a/x.py", "b/y.py", "data.csv", "tools/tool.py", "train.py"),
    ]
    assert sorted(snapshot.collect(code).warnings) == [
        "left out, a link that points nowhere: broken, self",
        "left out, a link to a folder that it stands in: a/b/a, b/a/b, up",
    ]


def test_a_link_to_a_neighbour_takes_nothing_away(tmp_path: Path) -> None:
    """Both the folder and the link to it travel."""
    write(tmp_path, "zzz/a.py")
    (tmp_path / "aaa").symlink_to(tmp_path / "zzz")
    assert own_files(tmp_path) == ["aaa/a.py", "zzz/a.py"]


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    """Opening a named pipe would wait for ever."""
    write(tmp_path, "train.py")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind(os.path.relpath(tmp_path / "socket"))
        found = snapshot.collect(tmp_path)
    assert sorted(found.warnings) == [
        "left out, a device and no file: null",
        "left out, a named pipe and no file: pipe",
        "left out, a socket and no file: socket",
    ]


def test_empty_files_travel_and_empty_folders_do_not(tmp_path: Path) -> None:
    """As with git."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "__init__.py").touch()
    assert own_files(tmp_path) == ["__init__.py"]


def test_a_very_deep_path_travels_and_a_deeper_one_is_refused(tmp_path: Path) -> None:
    """azureml-core walks by recursion and would end with RecursionError."""
    deep = "/".join(["d"] * 200)
    write(tmp_path, f"{deep}/x.py")
    assert own_files(tmp_path) == [f"{deep}/x.py"]
    write(tmp_path, f"{deep}/d/y.py")
    with pytest.raises(SnapshotError, match="is 201 folders deep; azureml-core takes 200"):
        snapshot.collect(tmp_path)


def test_a_path_that_the_system_cannot_open_is_an_error_that_says_so(tmp_path: Path) -> None:
    """Linux takes 4,096 bytes."""
    beyond_opening(tmp_path)
    with pytest.raises(SnapshotError, match="cannot be read: File name too long"):
        snapshot.collect(tmp_path)


def beyond_opening(folder: Path) -> None:
    """Make folders in folders until the path of the last is longer than the system opens."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(20):
            os.mkdir("n" * 250, dir_fd=descriptor)
            below = os.open("n" * 250, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
    finally:
        os.close(descriptor)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's power to read everything, if the tests run as root."""
    if os.getuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """Return a folder that anybody may look into."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


@pytest.mark.parametrize("name", ["secret.csv", "folder"])
def test_what_cannot_be_read_is_named(readable: Path, name: str) -> None:
    """azureml-core leaves it out, and the run fails for want of it."""
    write(readable, "train.py", "folder/x.py", "secret.csv")
    (readable / name).chmod(0)
    try:
        with as_nobody(), pytest.raises(SnapshotError, match=f"{name} cannot be read: Permission"):
            snapshot.collect(readable)
    finally:
        (readable / name).chmod(0o700)


def test_a_code_folder_that_cannot_be_reached_is_named(readable: Path) -> None:
    """Which is another thing than one that is not there."""
    write(readable, "closed/code/train.py")
    (readable / "closed").chmod(0)
    try:
        with as_nobody(), pytest.raises(SnapshotError, match="closed/code cannot be read: Perm"):
            snapshot.collect(readable / "closed/code")
    finally:
        (readable / "closed").chmod(0o700)


def test_a_huge_folder_that_is_ignored_is_not_walked(tmp_path: Path) -> None:
    """It is one entry, however much it holds: a path too long to open would fail in it."""
    write(tmp_path, "train.py", "node_modules/a.js", "env/pyvenv.cfg", "env/b.py")
    beyond_opening(tmp_path / "data")
    (tmp_path / ".gitignore").write_text("data/\n")
    assert kept_out(tmp_path) == {
        "data/": ".gitignore:1 data/",
        "env/": "never: */pyvenv.cfg",
        "node_modules/": "never: node_modules",
        ".gitignore": "never: .gitignore",
    }


def test_a_remote_entry_of_the_users_own_is_refused(tmp_path: Path) -> None:
    """Two packages of one name cannot travel."""
    write(tmp_path, "a/remote_entry/__init__.py", "b/remote_entry.py")
    for folder in ("a", "b"):
        with pytest.raises(SnapshotError, match="Rename yours"):
            snapshot.collect(tmp_path / folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """`code` is relative to the job file."""
    with pytest.raises(SnapshotError, match="no folder .*src"):
        snapshot.collect(tmp_path / "src")


def test_a_read_only_code_folder_is_no_hindrance(tmp_path: Path) -> None:
    """It is read and nothing more."""
    write(tmp_path, "code/train.py")
    (tmp_path / "code").chmod(0o555)
    try:
        with snapshot.staged(snapshot.collect(tmp_path / "code").files) as folder:
            assert (folder / "train.py").read_text() == "code/train.py"
    finally:
        (tmp_path / "code").chmod(0o755)


def test_the_interpreters_own_files_are_left_alone(tmp_path: Path) -> None:
    """A conda environment is known by its conda-meta, a virtual one by its pyvenv.cfg."""
    write(tmp_path, "conda/conda-meta/history", "conda/bin/python", "v/pyvenv.cfg", "v/lib/x.py")
    assert own_files(tmp_path) == []
    assert kept_out(tmp_path) == {"conda/": "never: */conda-meta", "v/": "never: */pyvenv.cfg"}
