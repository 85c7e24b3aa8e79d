"""Which rule lets a file in, and which keeps it out."""

import os
import string
import tempfile
from pathlib import Path

import pytest
from azureml._project.ignore_file import get_project_ignore_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.trees import kept_out, own_files, write

from submitter import snapshot
from submitter.errors import SnapshotError

NAMES = ("a", "b", "keep.csv", "x.csv", "data")
PARTS = st.sampled_from([*NAMES, "*", "**", "*.csv", "[ab]", "?", "k*"])
PATTERNS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "/", "/*", "/**"]),
)
PATHS = [f"{one}/{two}/{three}" for one in ("a", "data") for two in NAMES[:4] for three in NAMES]


@given(st.lists(PATTERNS, max_size=5))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_files_are_those_that_the_sdk_alone_would_send(patterns: list[str]) -> None:
    """Whatever the ignore file says; but for what never travels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *PATHS, "x.csv", "keep.csv")
        (folder / ".amlignore").write_text("\n".join(patterns))
        assert own_files(folder) == sorted(sent_by_the_sdk(folder), key=Path)


def sent_by_the_sdk(folder: Path) -> list[str]:
    """Return what azureml-core would send, walking as its merkle tree does."""
    excluded = get_project_ignore_file(str(folder)).is_file_excluded
    sent = []
    for current, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not excluded(f"{current}/{name}")]
        sent += [path for name in names if not excluded(path := f"{current}/{name}")]
    return [os.path.relpath(path, folder) for path in sent if not path.endswith(".amlignore")]


def test_each_file_knows_the_rule_that_kept_it_out_or_let_it_in(tmp_path: Path) -> None:
    """By file and line of the ignore file, or as ours."""
    write(tmp_path, "a.py", "b.csv", "data/c.csv", "data/keep.csv", "sub/d.log", ".env")
    (tmp_path / ".amlignore").write_text("# a comment\n\n*.csv\ndata/\n!keep.csv\n*.log  \n")
    assert kept_out(tmp_path) == {
        ".amlignore": "never: .amlignore",
        ".env": "never: .env",
        "b.csv": ".amlignore:3 *.csv",
        "data/": ".amlignore:4 data/",
        "sub/d.log": ".amlignore:6 *.log",
    }
    files = {str(file.path): file.rule for file in snapshot.collect(tmp_path).files}
    assert files["a.py"] is None
    assert str(files["data/keep.csv"]) == ".amlignore:5 !keep.csv"


@pytest.mark.parametrize(
    ("lines", "travels"),
    [
        ("data\n!data/keep.csv", []),  # a folder's own name ends it, `data/` does not
        ("data/\n!/data/keep.csv", ["data/keep.csv"]),
        ("/data", ["sub/data/x.csv"]),
        ("**/x.csv", ["data/keep.csv"]),
        ("*.csv\n!keep.csv  \n# *\n", ["data/keep.csv"]),
        ("[a-d]ata/", []),
        ("[!a-c]ata/keep*\n", ["data/x.csv", "sub/data/x.csv"]),
        ("sub/**", ["data/keep.csv", "data/x.csv"]),
        ("data/  \nsub", []),
    ],
)
def test_patterns_mean_what_they_mean_to_azure_ml(
    tmp_path: Path, lines: str, travels: list[str]
) -> None:
    """Negated, anchored, for folders alone, with stars and classes, with blanks behind them."""
    write(tmp_path, "data/x.csv", "data/keep.csv", "sub/data/x.csv")
    (tmp_path / ".gitignore").write_text(lines)
    assert own_files(tmp_path) == travels


@pytest.mark.parametrize("content", [b"*.csv\r\n!keep.csv\r\n", b"\xef\xbb\xbf*.csv\n!keep.csv"])
def test_an_ignore_file_written_on_windows_is_read(tmp_path: Path, content: bytes) -> None:
    """With its line ends and its byte order mark."""
    write(tmp_path, "x.csv", "keep.csv")
    (tmp_path / ".amlignore").write_bytes(content)
    assert own_files(tmp_path) == ["keep.csv"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"*.csv\n\xff\n", r"\.amlignore:2 cannot be read: it is not UTF-8"),
        (b"*.csv\n!\n", r"\.amlignore:2: '!' is no pattern"),
    ],
)
def test_an_ignore_file_that_cannot_be_followed_is_named(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """With the line: to go on would send more than was meant."""
    (tmp_path / ".amlignore").write_bytes(content)
    with pytest.raises(SnapshotError, match=said):
        snapshot.collect(tmp_path)


def test_what_travels_only_because_amlignore_hides_gitignore_is_named(tmp_path: Path) -> None:
    """Azure ML reads .gitignore only without an .amlignore; what that lets in by name is meant."""
    write(tmp_path, "a.py", "b.csv", *(f"c{number}.log" for number in range(9)), "d.log")
    (tmp_path / ".gitignore").write_text("*.log\n*.csv\n")
    assert own_files(tmp_path) == ["a.py"]
    (tmp_path / ".amlignore").write_text("*.csv\n!b.csv\nd.log\n")
    found = snapshot.collect(tmp_path)
    assert "".join(found.warnings) == (
        ".gitignore not read: there is an .amlignore, and Azure ML reads .gitignore only without "
        "one. 9 file(s) travel that would be kept out: c0.log, c1.log, c2.log, c3.log, c4.log and "
        "4 more. Copy its lines into .amlignore to keep them here."
    )


def test_an_ignore_file_in_a_subfolder_is_not_read(tmp_path: Path) -> None:
    """Git reads it, Azure ML does not; it travels itself, as any file of the project's."""
    write(tmp_path, "src/a.py", "src/build/b.o", "plain/.gitignore")
    (tmp_path / "src/.gitignore").write_text("build/\n")
    found = snapshot.collect(tmp_path)
    assert "".join(found.warnings) == (
        "src/.gitignore not read: Azure ML reads only that of the code folder itself. 1 file(s) "
        "travel that would be kept out: src/build/b.o. Name them there to keep them here."
    )
    assert "src/.gitignore" in own_files(tmp_path)


def test_some_things_never_travel(tmp_path: Path) -> None:
    """Not the repository, no environment under any name, no cache, and never a .env file."""
    write(
        tmp_path,
        *("train.py", ".env", ".env.local", ".env.production", "sub/.env", ".envrc", ".netrc"),
        *(".git/config", "sub/.git", "__pycache__/a.pyc", "b.pyc", ".azureml/config.json"),
        *("my env/pyvenv.cfg", "my env/lib/x.py", "node_modules/a.js", ".mypy_cache/x", ".x.swp"),
        *("a.py~", ".#a.py", "#a.py#", ".DS_Store", "Thumbs.db", "._a.py", "x.egg-info/PKG-INFO"),
    )
    assert own_files(tmp_path) == ["train.py"]


def test_a_template_of_an_env_file_travels(tmp_path: Path) -> None:
    """It is made to be shared, and the guard reads what stands in it."""
    names = [".env.dist", ".env.example", ".env.sample", ".env.template"]
    write(tmp_path, *names)
    assert own_files(tmp_path) == names


def test_an_ignore_file_cannot_let_in_what_never_travels(tmp_path: Path) -> None:
    """And is told so, where it names the thing and does not let in all of a folder."""
    write(tmp_path, ".env", "sub/.env", "src/a.py", "src/__pycache__/a.pyc")
    (tmp_path / ".amlignore").write_text("*.csv\n!.env\n!src/\n!src/**\n!*/\n")
    found = snapshot.collect(tmp_path)
    assert found.warnings == (
        ".amlignore:2 !.env would let in what never travels; left out: .env, sub/.env",
    )


def test_any_text_is_an_ignore_file_or_is_refused_by_line(tmp_path: Path) -> None:
    """Never with a traceback."""
    write(tmp_path, "train.py")
    for character in [*string.punctuation, "\\", "[!", "[]]", "{a,b}", "\x0c", "\u2028", "\x00"]:
        (tmp_path / ".amlignore").write_text(f"x\n{character}\n", encoding="utf-8")
        try:
            snapshot.collect(tmp_path)
        except SnapshotError as error:
            assert ".amlignore:2" in str(error)  # noqa: PT017 - either way is right
