"""A file that is written whole or not at all, for its owner alone."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Put a text in a file's place in one step: whoever reads meanwhile sees the old or the new.

    Args:
        path: The file; its folder is made if need be.
        text: What it is to hold.
        durable: Whether to wait until the disk has it.

    Raises:
        OSError: It could not be written; what was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = tempfile.NamedTemporaryFile(  # noqa: SIM115 - its name outlives it
        "w", dir=path.parent, prefix=".draft-", encoding="utf-8", delete=False
    )
    try:
        with draft:
            draft.write(text)
            if durable:
                draft.flush()
                os.fsync(draft.fileno())
        Path(draft.name).replace(path)
    except BaseException:
        Path(draft.name).unlink(missing_ok=True)
        raise
