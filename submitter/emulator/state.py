"""The folder that holds an emulator's files while it runs."""

import shutil
import tempfile
import weakref
from pathlib import Path

from submitter.emulator.errors import EmulatorError

_MARK = ".submitter-emulator"


class StateFolder:
    """A folder of the emulator's own: private and temporary, or one that the caller keeps.

    A kept folder is emptied at every start, because each start plays a new workspace; a folder with
    anything else in it is refused.

    Args:
        kept: The caller's folder, or None for a temporary one.

    Raises:
        EmulatorError: The caller's folder holds other things.
    """

    def __init__(self, kept: Path | None) -> None:
        self._removal: weakref.finalize[..., StateFolder] | None = None
        if kept is None:
            self.path = Path(tempfile.mkdtemp(prefix="submitter-emulator-"))
            # For whoever forgets to stop the emulator: at the interpreter's end at the latest.
            self._removal = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
            return
        self.path = kept.resolve()
        if self.path.exists() and any(self.path.iterdir()):
            if not (self.path / _MARK).is_file():
                raise EmulatorError(
                    f"{self.path} holds files that are not the emulator's. "
                    "Name a new or empty folder for its state."
                )
            shutil.rmtree(self.path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / _MARK).write_text("Emptied at every start of the emulator.\n")

    def remove(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._removal is not None:
            self._removal()
