"""What azureml-core remembers of the last snapshot, and what it says while it uploads one.

azureml-core compares a project with the last snapshot that was sent from this HOME to the
workspace, whosever project that was, and uploads what differs. `SnapshotMemory` puts the project's
own last snapshot there first, so that projects that take turns do not undo each other's. It moves
files and changes nothing of the SDK; where the SDK keeps them elsewhere, all still works, and more
is uploaded. It can go when azureml-core remembers by project.
"""

import hashlib
import json
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from submitter.backends.base import Uploaded
from submitter.errors import SnapshotError
from submitter.snapshot import SnapshotFile
from submitter.whole_file import write_whole

_KEPT = 50  # projects a workspace
# What azureml-core logs of each file once the storage has confirmed it, with its size.
_UPLOADED = re.compile(r"Uploaded blob .* with size (\d+)")
_UPLOAD_LOGGER = "azureml._file_utils.upload"


class SnapshotMemory:
    """The last snapshot of a project.

    Args:
        workspace: The azureml-core `Workspace`.
        code_folder: What tells projects apart; `None` for a job that brings no code.
    """

    def __init__(self, workspace: Any, code_folder: Path | None) -> None:
        self._latest = _cache_file(workspace)
        project = os.fsencode(code_folder.resolve()) if code_folder else b""
        key = hashlib.sha256(project).hexdigest()[:32]
        self._own = self._latest.with_name(f"submitter-{key}") if self._latest else None

    def known(self) -> Mapping[str, str]:
        """Return the files that need no upload: path → hash of the content; see `changed`."""
        read = self._read()
        return dict(_hashes(json.loads(read["root"]))) if read else {}

    @contextmanager
    def in_use(self, files: Sequence[SnapshotFile]) -> Iterator[None]:
        """Let the SDK build upon this project's last snapshot, and remember the one it makes.

        Raises:
            SnapshotError: The SDK could not keep its own memory, and would fail after the upload.
        """
        if self._latest is not None:
            _require_writable(self._latest.parent)
        with suppress(OSError):
            self._put_in_place(files)
        yield
        with suppress(OSError):
            self._remember()

    def _put_in_place(self, files: Sequence[SnapshotFile]) -> None:
        read = self._read()
        if self._latest is None or read is None:
            return
        known = dict(_hashes(json.loads(read["root"])))
        root = json.dumps(_comparable([file.path for file in files], known))
        write_whole(self._latest, json.dumps({**read, "root": root}))

    def _remember(self) -> None:
        if self._latest is None or self._own is None:
            return
        write_whole(self._own, self._latest.read_text(encoding="utf-8"))
        others = sorted(self._own.parent.glob("submitter-*"), key=lambda path: path.stat().st_mtime)
        for path in others[:-_KEPT]:
            path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        """Read this project's snapshot, else the last one that was sent to the workspace."""
        for path in (self._own, self._latest):
            if path is not None:
                with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                    read = json.loads(path.read_text(encoding="utf-8"))
                    dict(_hashes(json.loads(read["root"])))
                    return dict(read)
        return None


@contextmanager
def watched(
    files: Sequence[SnapshotFile], on_upload: Callable[[Uploaded], object]
) -> Iterator[None]:
    """Call back for each file that azureml-core has uploaded, from the threads that upload.

    azureml-core offers no such hook, but logs each file. Without that line there is no progress.

    Args:
        files: What there is to upload.
        on_upload: Receives how far the upload is, at its start and after each file.
    """
    logger = logging.getLogger(_UPLOAD_LOGGER)
    level, propagate = logger.level, logger.propagate
    handler = _UploadHandler(files, on_upload)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _UploadHandler(logging.Handler):
    def __init__(
        self, files: Sequence[SnapshotFile], on_upload: Callable[[Uploaded], object]
    ) -> None:
        super().__init__()
        self._on_upload = on_upload
        self._counting = threading.Lock()
        self._so_far = Uploaded(0, 0, len(files), sum(file.size for file in files))
        on_upload(self._so_far)

    def emit(self, record: logging.LogRecord) -> None:
        found = _UPLOADED.search(record.getMessage())
        if found is None:
            return
        with self._counting:
            so_far = self._so_far
            # What is sent a second time, after a refusal, counts once.
            self._so_far = replace(
                so_far,
                files=min(so_far.files + 1, so_far.all_files),
                size=min(so_far.size + int(found[1]), so_far.all_size),
            )
            self._on_upload(self._so_far)


def _cache_file(workspace: Any) -> Path | None:
    """Return where azureml-core remembers the last snapshot of a workspace, if it still does."""
    try:
        from azureml._base_sdk_common.project_snapshot_cache import (
            PROJECT_CONTENT_CACHE_LATEST_SNAPSHOT_FILE,
            ContentSnapshotCache,
        )

        folder = ContentSnapshotCache(workspace.service_context).get_cache_directory()
        return Path(str(folder), str(PROJECT_CONTENT_CACHE_LATEST_SNAPSHOT_FILE))
    except (ImportError, AttributeError, TypeError, ValueError):
        return None


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SnapshotError(
            f"azureml-core keeps its memory of snapshots in {folder}, where nothing can be "
            f"written: {error.strerror}. Set HOME to a folder that can be written."
        ) from None


def _hashes(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for child in node["children"]:
        path = f"{prefix}{child['name']}"
        if child["type"] == "File":
            yield path, child["hash"]
        else:
            yield from _hashes(child, f"{path}/")


def _comparable(paths: Sequence[PurePosixPath], known: Mapping[str, str]) -> dict[str, Any]:
    """Return the last snapshot's tree in a form that azureml-core compares correctly.

    It takes a folder with an equal hash for unchanged, but the hash does not cover the names of the
    folders in it: a renamed one would arrive under its old name. And where a folder is new or gone,
    it uploads all that come after it again (`merkle_tree_differ.py`). So the tree gets no hashes
    of folders, and the folders of the new snapshot.
    """
    root = _node("", "Directory")
    folders = {PurePosixPath(): root}
    gone = False
    for folder in sorted({parent for path in paths for parent in path.parents}):
        if folder not in folders:  # its parent came before it
            folders[folder] = _node(folder.name, "Directory")
            folders[folder.parent]["children"].append(folders[folder])
    for name, content in known.items():
        path = PurePosixPath(name)
        if path.parent in folders:
            folders[path.parent]["children"].append(_node(path.name, "File", content))
        else:
            gone = True
    if gone:  # else a snapshot with a folder less would pass for unchanged
        root["children"].append(_node("\0", "File"))  # no file has this name
    for node in folders.values():
        node["children"].sort(key=lambda child: child["name"])
    return root


def _node(name: str, kind: str, content: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "hash": content, "timestamp": "", "children": []}
