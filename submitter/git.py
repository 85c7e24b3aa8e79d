"""Git information that travels with a run, without the credentials that a remote's URL may hold.

azureml-core asks git itself, in the folder that it uploads, and sends the URL as it is, token
included. The names of the properties, and of the variables that override them, are its own:
azureml/_base_sdk_common/tracking/git_tracking_info_provider.py.
"""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from submitter import guard
from submitter.guard.placeholders import bits_per_character

# Information → its properties; Azure ML studio shows the first, MLflow's page the second.
_PROPERTIES = {
    "REPOSITORY_URI": ("azureml.git.repository_uri", "mlflow.source.git.repoURL"),
    "BRANCH": ("azureml.git.branch", "mlflow.source.git.branch"),
    "COMMIT": ("azureml.git.commit", "mlflow.source.git.commit"),
    "DIRTY": ("azureml.git.dirty",),
    "BUILD_ID": ("azureml.git.build_id",),
    "BUILD_URI": ("azureml.git.build_uri",),
}
_OVERRIDE = "AZUREML_GIT_"
_URLS = frozenset({"REPOSITORY_URI", "BUILD_URI"})
_TRUE = frozenset({"1", "true"})
_SECONDS = 5.0  # a repository on a slow disk is no reason to wait longer
# Never writes the index, never asks for a password, never starts a program that the repository
# names.
_GIT = ("git", "-c", "core.fsmonitor=false")
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}

_SCP_LIKE = re.compile(
    r"(?:(?P<user>[^@/\s]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?!/?/)(?P<path>[^@\s]+)"
)
_SHELL_USER = "git"  # of every hosted repository: it names nobody, and the URL needs it
_LIKE_A_TOKEN = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w~.-]{20,}")
_AS_MIXED_AS_A_TOKEN = 3.5  # bits a character


def git_properties(folder: Path, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return what a run says of the commit that it was submitted from.

    Args:
        folder: A folder of the repository.
        environ: Where AZUREML_GIT_COMMIT and its like may override what git says, and which
            credentials must not travel.

    Returns:
        The properties that azureml-core would set, scrubbed; empty where there is no repository.
    """
    deadline = time.monotonic() + _SECONDS
    asked = [
        _start(folder, "status", "--porcelain=v2", "--branch", "--", "."),
        _start(folder, "ls-remote", "--get-url"),
    ]
    status, remote = (_answer(process, deadline) for process in asked)
    known = _read_status(status)
    if known and ("/" in remote or ":" in remote):  # without a remote git says "origin"
        known["REPOSITORY_URI"] = remote.strip()
    for name in _PROPERTIES:
        override = environ.get(_OVERRIDE + name, "").strip()
        if override:
            known[name] = override
    if "DIRTY" in known:
        known["DIRTY"] = str(known["DIRTY"].lower() in _TRUE)
    return _scrubbed(known, guard.Search(guard.own_forms(environ)))


def _scrubbed(known: Mapping[str, str], search: guard.Search) -> dict[str, str]:
    properties: dict[str, str] = {}
    for name, text in known.items():
        value = without_credentials(text) if name in _URLS else text
        # A token where none belongs, such as in a branch's name: rather nothing than that.
        if value and not any(search.in_text(value.encode("utf-8", "surrogateescape"))):
            properties |= dict.fromkeys(_PROPERTIES[name], value)
    return properties


def without_credentials(url: str) -> str | None:
    """Return a repository's URL without user, password, query and whatever else may be a token.

    Args:
        url: As `git ls-remote --get-url` prints it: a URL, `user@host:path` or a path.

    Returns:
        The URL; `None` if it cannot be told what in it is a credential.
    """
    if not url.isprintable() or re.search(r"\s|::", url.replace("[::", "")):
        return None
    if "://" not in url:
        found = _SCP_LIKE.fullmatch(url)
        if not found:
            return None if "@" in url else url  # a path
        user = f"{_SHELL_USER}@" if found["user"] == _SHELL_USER else ""
        return f"{user}{found['host']}:{_without_tokens(found['path'])}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None  # such as a password with a slash: what follows is no host
    login, _, address = parts.netloc.rpartition("@")
    if "@" in parts.path or not (address or parts.scheme == "file"):
        return None
    user = f"{_SHELL_USER}@" if login == _SHELL_USER and "ssh" in parts.scheme else ""
    return urlunsplit((parts.scheme, user + address, _without_tokens(parts.path), "", ""))


def _without_tokens(path: str) -> str:
    """Return a path with `***` for what a generator made: some hosts take tokens there."""
    path = re.split(r"[?#]", path)[0]
    return "/".join(
        "***"
        if _LIKE_A_TOKEN.fullmatch(part) and bits_per_character(part) > _AS_MIXED_AS_A_TOKEN
        else part
        for part in path.split("/")
    )


def _read_status(status: str) -> dict[str, str]:
    """Read `git status --porcelain=v2 --branch`: headers, then a line for each change."""
    if not status:
        return {}
    known = {"DIRTY": "false"}
    for line in status.splitlines():
        if line.startswith("# branch.oid ") and "(initial)" not in line:
            known["COMMIT"] = line.split()[-1]
        elif line.startswith("# branch.head ") and "(detached)" not in line:
            known["BRANCH"] = line.split()[-1]
        elif not line.startswith("#"):
            known["DIRTY"] = "true"
    return known


def _start(folder: Path, *arguments: str) -> "subprocess.Popen[str] | None":
    try:
        return subprocess.Popen(
            [*_GIT, *arguments],
            cwd=folder,
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:  # no git, or no such folder
        return None


def _answer(process: "subprocess.Popen[str] | None", deadline: float) -> str:
    """Return what git printed; nothing if it failed, was not there, or took too long."""
    if process is None:
        return ""
    try:
        text, _ = process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        return ""
    return text if process.returncode == 0 else ""
