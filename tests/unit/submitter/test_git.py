"""Git information without credentials (pain 3: a token in the URL of a remote)."""

import subprocess
from pathlib import Path

import pytest
from support.leaks import GITHUB

from submitter.git import git_properties, without_credentials

NOBODY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main")
TOKEN_IN_PATH = "aB3dE5gH7jK9mN1pQ3sT"


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's git is told to do does not matter here."""
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with one commit."""
    git(tmp_path, "init")
    (tmp_path / "train.py").write_text("print()\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_the_properties_are_those_of_the_sdk(repository: Path) -> None:
    """So that studio and MLflow show them where they always do."""
    git(repository, "remote", "add", "origin", f"https://me:{GITHUB}@github.com/a/b.git")
    assert git_properties(repository, {}) == {
        "azureml.git.repository_uri": "https://github.com/a/b.git",
        "mlflow.source.git.repoURL": "https://github.com/a/b.git",
        "azureml.git.branch": "main",
        "mlflow.source.git.branch": "main",
        "azureml.git.commit": git(repository, "rev-parse", "HEAD"),
        "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
        "azureml.git.dirty": "False",
    }


def test_they_agree_with_the_sdks_own(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to scrub; names and spelling of its values included."""
    from azureml._base_sdk_common.tracking import GitTrackingInfoProvider

    git(repository, "remote", "add", "origin", "https://github.com/a/b.git")
    (repository / "new.txt").write_text("x")
    monkeypatch.chdir(repository)
    assert git_properties(repository, {}) == GitTrackingInfoProvider().gather()
    (repository / "new.txt").unlink()
    assert git_properties(repository, {}) == GitTrackingInfoProvider().gather()


def test_a_changed_or_new_file_makes_it_dirty(repository: Path) -> None:
    """Of the code's folder; what changed beside it does not travel."""
    (repository / "train.py").write_text("print(1)\n")
    assert git_properties(repository, {})["azureml.git.dirty"] == "True"
    folder = repository / "clean"
    folder.mkdir()
    assert git_properties(folder, {})["azureml.git.dirty"] == "False"


def test_a_remote_that_git_rewrites_is_scrubbed_too(repository: Path) -> None:
    """Many put their token into `url.….insteadOf`."""
    git(repository, "remote", "add", "origin", "https://github.com/a/b.git")
    git(
        repository, "config", f"url.https://x:{GITHUB}@github.com/.insteadOf", "https://github.com/"
    )
    assert GITHUB in git(repository, "ls-remote", "--get-url")
    assert GITHUB not in repr(git_properties(repository, {}))
    assert git_properties(repository, {})["azureml.git.repository_uri"].endswith(
        "github.com/a/b.git"
    )


def test_the_sdks_variables_override_git_and_are_scrubbed(tmp_path: Path) -> None:
    """A build server sets them, with the token that it cloned with."""
    found = git_properties(
        tmp_path,
        {
            "AZUREML_GIT_REPOSITORY_URI": f"https://build:{GITHUB}@dev.azure.com/o/p/_git/r",
            "AZUREML_GIT_BUILD_URI": "https://dev.azure.com/o/p/_build?token=x&buildId=7",
            "AZUREML_GIT_BRANCH": GITHUB,
            "AZUREML_GIT_DIRTY": "1",
            "AZUREML_GIT_BUILD_ID": "7",
        },
    )
    assert found == {
        "azureml.git.repository_uri": "https://dev.azure.com/o/p/_git/r",
        "mlflow.source.git.repoURL": "https://dev.azure.com/o/p/_git/r",
        "azureml.git.build_uri": "https://dev.azure.com/o/p/_build",
        "azureml.git.build_id": "7",
        "azureml.git.dirty": "True",
    }


def test_a_value_of_this_machine_travels_in_no_property(repository: Path) -> None:
    """Not in a branch's name, nor in the path of a URL."""
    git(repository, "checkout", "-b", "try-Zq7-of-mine")
    git(repository, "remote", "add", "origin", "https://host/Zq7-of-mine/r.git")
    found = git_properties(repository, {"HOST_TOKEN": "Zq7-of-mine"})
    assert "Zq7-of-mine" not in repr(found)
    assert "azureml.git.commit" in found


def test_without_a_repository_there_is_nothing_to_say(tmp_path: Path) -> None:
    """Nor without the folder."""
    assert git_properties(tmp_path, {}) == {}
    assert git_properties(tmp_path / "nowhere", {}) == {}


def test_without_git_there_is_nothing_to_say(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no requirement."""
    monkeypatch.setenv("PATH", str(repository))
    assert git_properties(repository, {}) == {}


def test_states_without_a_branch_or_commit(repository: Path, tmp_path: Path) -> None:
    """A detached head has no branch; a new repository no commit; a bare one no files."""
    git(repository, "checkout", "--detach")
    assert "azureml.git.branch" not in git_properties(repository, {})
    assert "azureml.git.commit" in git_properties(repository, {})
    new, bare = tmp_path / "new", tmp_path / "bare"
    for folder in (new, bare):
        folder.mkdir()
    git(new, "init")
    assert git_properties(new, {}) == {
        "azureml.git.branch": "main",
        "mlflow.source.git.branch": "main",
        "azureml.git.dirty": "False",
    }
    git(bare, "init", "--bare")
    assert git_properties(bare, {}) == {}


def test_a_repository_of_somebody_else_is_left_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git refuses to read it, and so do we."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert git_properties(repository, {}) == {}


def test_a_submodule_speaks_for_itself(repository: Path) -> None:
    """Its commit, its remote."""
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "./.", "part")
    found = git_properties(repository / "part", {})
    assert found["azureml.git.commit"] == git(repository / "part", "rev-parse", "HEAD")


def test_a_program_that_the_repository_names_is_not_run(repository: Path) -> None:
    """`core.fsmonitor` would start one."""
    (repository / "spy").write_text(f"#!/bin/sh\ntouch '{repository}/started'\n")
    (repository / "spy").chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(repository / "spy"))
    assert git_properties(repository, {})["azureml.git.branch"] == "main"
    assert not (repository / "started").exists()


@pytest.mark.parametrize(
    ("url", "scrubbed"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://me@github.com/a/b.git", "https://github.com/a/b.git"),
        (f"https://{GITHUB}@github.com/a/b", "https://github.com/a/b"),
        ("https://me:pass@word@host:8443/a/b", "https://host:8443/a/b"),
        ("https://o@dev.azure.com/o/a%20b/_git/r", "https://dev.azure.com/o/a%20b/_git/r"),
        ("https://host/a/b.git?private_token=x#y", "https://host/a/b.git"),
        (f"https://dl.host.io/{TOKEN_IN_PATH}/a/b.git", "https://dl.host.io/***/a/b.git"),
        ("ssh://git@github.com:22/a/b.git", "ssh://git@github.com:22/a/b.git"),
        ("ssh://me:pw@host/a/b.git", "ssh://host/a/b.git"),
        ("git+ssh://me@host/a", "git+ssh://host/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("me@host:a/b.git?token=x", "host:a/b.git"),
        ("git@[::1]:a/b.git", "git@[::1]:a/b.git"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("/srv/git/b.git", "/srv/git/b.git"),
        ("file:///srv/git/b.git", "file:///srv/git/b.git"),
        ("https://me:pass/word@host/a", None),
        ("https://me:1234/word@host/a", None),
        ("helper::https://me:x@host/a", None),
        ("https://host/a\nhttps://me:x@host", None),
        ("me:x@host/a", None),
        ("https://", None),
    ],
)
def test_url_is_scrubbed_of_user_token_and_query(url: str, scrubbed: str | None) -> None:
    """Where it is not clear which part is the credential, there is no URL at all."""
    assert without_credentials(url) == scrubbed
