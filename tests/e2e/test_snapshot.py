"""The files of a run: what is uploaded, what is not, and what arrives."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest
from support.shell import Shell
from support.terminal import at_a_terminal
from support.trees import write

JOB = "command: python hashes.py\ncode: .\nenvironment: {image: ubuntu}\ncompute: cpu-cluster\n"
HASHES = """\
import hashlib, json, os

files = {}
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.relpath(os.path.join(folder, name))
        with open(path, "rb") as file:
            files[path] = hashlib.sha256(file.read()).hexdigest()
print("FILES", json.dumps(files))
"""


PRELUDE = """\
import os
from pathlib import Path
from submitter import submit
"""


@pytest.fixture
def project(shell: Shell) -> Shell:
    """Make a project whose run tells which files it has."""
    (shell.folder / "train.py").unlink()
    shell.write("job.yml", JOB)
    shell.write("hashes.py", HASHES)
    return shell


def files_in_the_run(shell: Shell) -> dict[str, str]:
    """Submit; return the run's files, without remote_entry's: path → sha256."""
    done = shell("submit", "job.yml")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FILES "))
    files: dict[str, str] = json.loads(line.removeprefix("FILES "))
    return {
        path: digest
        for path, digest in files.items()
        if not path.startswith(("remote_entry/", "azureml-logs/", "user_logs/", "logs/"))
        and "__pycache__" not in path
    }


def uploads(shell: Shell, program: str) -> list[int]:
    """Run a program that submits from the project; return how many files each upload had."""
    before = len(shell.azure.requests)
    subprocess.run(
        [sys.executable, "-c", f"{PRELUDE}{program}"],
        cwd=shell.folder,
        env=shell.environ,
        check=True,
        timeout=120,
    )
    return list(Counter(PurePosixPath(path).parent for path in sent_files(shell, before)).values())


def sent_files(shell: Shell, before: int) -> Sequence[str]:
    """Return the paths that the storage was sent since a number of requests."""
    return [
        record.path
        for record in shell.azure.requests[before:]
        if record.method == "PUT" and "/snapshots/" in record.path
    ]


def test_every_name_arrives_in_the_run_as_it_is(project: Shell) -> None:
    """Blanks, quotes, line ends, 255 bytes, both forms of é, deep folders, links; to the byte."""
    names = [
        *("a b/c d.txt", "ünï/漢字.txt", "😀.py", "-rf", "--help", 'it\'s "q".txt', "new\nline"),
        *(" lead", "trail ", "back\\slash", "$(x) `y` %s {}.py", "n" * 255, "é.txt", "e\u0301.txt"),
        *("Data.csv", "data.csv", "a;b&c|d?e#f%20g+h", "/".join(["deep"] * 60), "tab\t", "empty"),
        ".hidden/.file",
    ]
    write(project.folder, *names)
    (project.folder / "empty").write_bytes(b"")
    write(project.folder.parent, "elsewhere/linked.csv")
    (project.folder / "link.csv").symlink_to("../elsewhere/linked.csv")
    (project.folder / "folder link").symlink_to("../elsewhere")
    expected = {
        name: hashlib.sha256((project.folder / name).read_bytes()).hexdigest()
        for name in [*names, "link.csv", "folder link/linked.csv", "hashes.py", "job.yml"]
    }
    assert files_in_the_run(project) == expected


def test_pain_7_what_travels_is_said_before_it_does(project: Shell) -> None:
    """A snapshot too large or full of surprises: named with the fix, nothing sent or rewritten."""
    write(project.folder, ".env", "notes.log", "data/x.csv")
    project.write(".gitignore", "*.log\n")
    project.write(".amlignore", "data/\n!.env\n")
    with (project.folder / "model.bin").open("wb") as file:
        file.truncate(320_000_000)
    before = len(project.azure.requests)
    done = project("submit", "job.yml")
    assert done.returncode == 2
    assert "320 MB; Azure ML takes at most 315 MB" in done.stderr
    assert "320.0 MB  model.bin" in done.stderr
    assert project.nothing_of_the_job_sent(before)
    (project.folder / "model.bin").unlink()
    done = project("submit", "job.yml")
    assert done.returncode == 0, done.stderr
    assert ".gitignore not read: there is an .amlignore" in done.stderr
    assert "out: notes.log. Copy its lines into .amlignore" in done.stderr
    assert ".amlignore:2 !.env would let in what never travels; left out: .env" in done.stderr
    assert ".env" not in done.stdout
    assert '"notes.log"' in done.stdout
    assert (project.folder / ".amlignore").read_text() == "data/\n!.env\n"


def test_pain_7_projects_that_take_turns_upload_what_changed_alone(project: Shell) -> None:
    """The SDK remembers one snapshot for all projects; a touched file is no change."""
    for name in ("one", "two"):
        write(project.folder, *(f"{name}/code/{number}.txt" for number in range(5)))
        project.write(f"{name}/job.yml", JOB.replace("code: .", "code: code"))
    submitted = uploads(
        project,
        """
submit("one/job.yml")
submit("two/job.yml")
print("each has uploaded its own; from here on nothing is new but one file")
submit("one/job.yml")
os.utime("two/code/3.txt", (1, 1))
submit("two/job.yml")
Path("two/code/3.txt").write_text("new")
submit("two/job.yml")
submit("one/job.yml")
""",
    )
    assert submitted[1:] == [5, 1]


def test_a_renamed_folder_has_its_new_name_in_the_run(project: Shell) -> None:
    """azureml-core alone takes it for unchanged; with files beside it, it sends all again."""
    write(project.folder, "old/a.py", "old/b.py", "hashes/c.py")
    submitted = uploads(
        project,
        """
submit("job.yml")
os.rename("old", "package")
submit("job.yml")
os.rename("package/b.py", "hashes/b.py")
run = submit("job.yml")
run.wait()
Path("log").write_text(run.logs())
""",
    )
    assert submitted[1:] == [2, 1]
    log = (project.folder / "log").read_text()
    assert "package/a.py" in log
    assert "old/a.py" not in log


def test_a_memory_that_is_damaged_or_gone_costs_an_upload_and_no_more(project: Shell) -> None:
    """Somebody's clean-up, a full disk or another version may have been there."""
    write(project.folder, "a.txt", "b.txt")
    submitted = uploads(
        project,
        """
cache = Path.home() / ".azureml/.projectcontent"
submit("job.yml")
for content in ("", "{", '{"root": "{}", "snapshot_id": "x"}', "[]"):
    remembered = [path for path in cache.rglob("*") if path.is_file()]
    assert any("submitter-" in path.name for path in remembered), remembered
    for path in remembered:
        path.write_text(content)
        if content and path.name == "latestsnapshot":
            path.unlink()  # the SDK bears no JSON there, but trips over some that is wrong
    submit("job.yml")
    submit("job.yml")
""",
    )
    assert len(submitted) == 5
    assert len(set(submitted[1:])) == 1


def test_a_home_that_cannot_be_written_is_said_before_the_upload(project: Shell) -> None:
    """azureml-core would fail after it."""
    before = len(project.azure.requests)
    done = project("submit", "job.yml", "--no-wait", HOME="/proc/self/nowhere")
    assert done.returncode == 2
    assert "where nothing can be written: No such file or directory. Set HOME" in done.stderr
    assert sent_files(project, before) == []


def test_too_many_new_files_are_refused_before_the_upload(project: Shell) -> None:
    """What is unchanged does not count."""
    for number in range(2001):
        (project.folder / f"{number}.txt").touch()
    before = len(project.azure.requests)
    done = project("submit", "job.yml", "--no-wait")
    assert done.returncode == 2
    assert "files of " in done.stderr
    assert "Azure ML takes at most 2,000 at once. The folders with the most:" in done.stderr
    assert sent_files(project, before) == []


def test_an_upload_shows_its_progress_at_a_terminal(project: Shell) -> None:
    """Files and bytes that the storage has confirmed; nothing in CI or in a pipe."""
    assert "uploading" not in project("submit", "job.yml", "--no-wait").stderr
    for number in range(20):
        project.write(f"{number}.txt", f"new {number}")
    code, screen = at_a_terminal(project, "submit", "job.yml", "--no-wait", CI="")
    assert code == 0, screen
    assert "uploading" in screen
    assert "20 of 20 files, 110 bytes of 110 bytes" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen)
    with (project.folder / "data.bin").open("wb") as file:
        file.truncate(26 * 1024 * 1024)
    _, quiet = at_a_terminal(project, "submit", "job.yml", "--no-wait", CI="1")
    assert "uploading" not in quiet
    assert "it can take a few minutes" not in quiet  # azureml-core's own words
