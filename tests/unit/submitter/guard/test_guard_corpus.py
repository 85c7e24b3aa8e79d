"""The measure of the guard: what must not travel is refused, and nothing else is."""

from pathlib import Path

import pytest
from support.innocents import INNOCENTS
from support.leaks import LEAKS, OWN_SECRET

from submitter import Job, SecretInViewError, plan

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


def test_the_corpus_is_as_large_as_it_claims() -> None:
    """At least forty of each, each another file."""
    assert len(set(LEAKS.values())) == len(LEAKS) >= 40
    assert len(set(INNOCENTS.values())) == len(INNOCENTS) >= 40
