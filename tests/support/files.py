"""Every file in a folder."""

import os
from pathlib import Path


def files_under(folder: Path) -> list[Path]:
    """Return every file in a folder, hidden ones included."""
    return [
        Path(current) / name
        for current, _, names in os.walk(folder)
        for name in names
        if (Path(current) / name).is_file()
    ]
