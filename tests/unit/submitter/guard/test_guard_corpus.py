"""The measure of the guard: what must not travel is refused, and nothing else is."""

from pathlib import Path, PurePosixPath

import pytest
from support.innocents import INNOCENTS
from support.leaks import LEAKS, OWN_SECRET

from submitter import Job, SecretInViewError, guard, plan
from submitter.snapshot import SnapshotFile

JOB = "command: python train.py\ncompute: c\nenvironment: azureml:e:1\ncode: code\n"
ENVIRON = {"AZURE_CLIENT_SECRET": OWN_SECRET, "PATH": "/usr/bin", "PWD": "/"}
ROOT = Path(__file__).parents[4]


def planned(folder: Path, name: str, content: str | bytes) -> None:
    """Plan a job whose code is one file."""
    path = folder / "code" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "job.yml").write_text(JOB)
    made = plan(Job.from_file(folder / "job.yml"), environ=ENVIRON)
    assert name in map(str, (file.path for file in made.files))  # it was not ignored


@pytest.mark.parametrize("name", LEAKS)
def test_leak_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is sent, with the file and without the value."""
    file, content = LEAKS[name]
    with pytest.raises(SecretInViewError) as caught:
        planned(tmp_path, file, content)
    message = str(caught.value)
    assert f"\n  {file}" in message
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    assert not [word for word in text.split() if len(word) > 25 and word in message]


@pytest.mark.parametrize("name", INNOCENTS)
def test_innocent_file_travels(tmp_path: Path, name: str) -> None:
    """A guard that cries wolf is switched off."""
    planned(tmp_path, *INNOCENTS[name])


@pytest.mark.parametrize("part", ["submitter", "remote_entry", "docker", "README.md"])
def test_this_repository_is_innocent(part: str) -> None:
    """What ships, templates included; the tests hold made-up secrets on purpose."""
    path = ROOT / part
    sources = [path] if path.is_file() else sorted(path.rglob("*.*"))
    files = [
        SnapshotFile(source, PurePosixPath(source.relative_to(ROOT)), source.stat().st_size)
        for source in sources
        if source.is_file() and source.suffix != ".pyc"
    ]
    assert files
    search = guard.Search(guard.own_forms(ENVIRON))
    assert [str(one) for one in guard.in_files(files, search) if not one.commented] == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["eyJhbGciOiJI", "password = '", "://a:b@", "PRIVATE KEY-----"])
def test_no_text_takes_forever(unit: str) -> None:
    """A megabyte in one line that nearly fits a rule everywhere: the time grows with its length."""
    search = guard.Search({})
    assert len(list(search.in_settings((unit * (1_000_000 // len(unit))).encode()))) <= 1


def test_the_corpus_is_as_large_as_it_claims() -> None:
    """At least forty of each, each another file."""
    assert len(set(LEAKS.values())) == len(LEAKS) >= 40
    assert len(set(INNOCENTS.values())) == len(INNOCENTS) >= 40
