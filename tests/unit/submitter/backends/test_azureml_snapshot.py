"""What azureml-core is given to compare a project with."""

import json
import logging
import tempfile
from pathlib import Path, PurePosixPath

from azureml._base_sdk_common.merkle_tree import DirTreeNode, create_merkletree
from azureml._base_sdk_common.merkle_tree_differ import compute_diff
from azureml._file_utils import upload
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trees import write

from submitter import snapshot
from submitter.backends.azureml_core import snapshot as azureml_snapshot
from submitter.backends.azureml_core.snapshot import watched
from submitter.backends.base import Uploaded
from submitter.snapshot import SnapshotFile

PATHS = st.sampled_from(["a", "b", "a.d/x", "b.d/x", "b.d/c/x", "b.d/e/x", "z.d/x", "z.d/c/y"])
TREES = st.dictionaries(PATHS, st.sampled_from(["one", "two"]))


@given(TREES, TREES)
@settings(max_examples=50, deadline=None)
def test_the_sdk_uploads_exactly_what_is_new_or_changed(
    before: dict[str, str], after: dict[str, str]
) -> None:
    """Left to itself it misses folders that were renamed, and sends too much where one is new."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in after.items():
            write(Path(name), path)
            Path(name, path).write_text(content)
        current = create_merkletree(name, lambda _: False)
        paths = [PurePosixPath(path) for path in after]
        known = {path: hash_of(path, content) for path, content in before.items()}
        parent = DirTreeNode()
        tree = json.dumps(azureml_snapshot._comparable(paths, known))
        parent.load_root_object_from_json_string(tree)
        found = compute_diff(parent, current)
    sent = {entry.node_path for entry in found if entry.operation_type in ("added", "modified")}
    assert sent == {path for path, content in after.items() if before.get(path) != content}
    assert bool(found) == (before != after)


def hash_of(path: str, content: str) -> str:
    """Return the hash of a file that is not there any more."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(content)
        file.flush()
        return snapshot.content_hash(SnapshotFile(Path(file.name), PurePosixPath(path), 1))


def test_progress_counts_what_the_sdk_says_it_uploaded() -> None:
    """By its log, which is as it was before afterwards; a second attempt counts once."""
    logger = upload.module_logger
    before = (logger.level, logger.propagate, list(logger.handlers))
    seen: list[Uploaded] = []
    files = [SnapshotFile(Path(name), PurePosixPath(name), 10) for name in "ab"]
    with watched(files, seen.append):
        for _ in range(3):
            logger.debug("Uploaded blob a with size 10, file size 10.")
        logger.debug("Something else with size 10")
    assert [(so_far.files, so_far.size) for so_far in seen] == [(0, 0), (1, 10), (2, 20), (2, 20)]
    assert {(so_far.all_files, so_far.all_size) for so_far in seen} == {(2, 20)}
    assert (logger.level, logger.propagate, logger.handlers) == before
    assert not logger.isEnabledFor(logging.DEBUG)
