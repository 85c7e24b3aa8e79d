"""Up to when a schedule is handled, in a file that is always whole.

It saves questions to the service and remembers what was skipped. That nothing runs twice does not
depend on it: a run's id is made of job and instant.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from submitter.errors import FolderError, InputError
from submitter.whole_file import write_whole


@dataclass
class State:
    """A schedule's memory.

    Attributes:
        file: Where it is kept; `None` keeps it in this process only.
    """

    file: Path | None = None
    _handled: datetime | None = None

    def handled(self) -> datetime | None:
        """Return up to when all is handled; `None` if nothing ever was.

        Raises:
            InputError: The file is something else.
        """
        if self.file is None:
            return self._handled
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The schedule's state {self.file} cannot be read: {error}.") from None
        try:
            return datetime.fromisoformat(json.loads(text)["handled"]).astimezone(timezone.utc)
        # A time whose UTC is before the calendar, and JSON that is nested too deeply to be read.
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise InputError(
                f"{self.file} is no schedule's state. Name another file, or remove it: then the "
                "schedule begins anew, from now on."
            ) from None

    def remember(self, handled: datetime) -> None:
        """Keep up to when all is handled, all of it or nothing.

        Raises:
            FolderError: The file cannot be written.
        """
        self._handled = handled
        if self.file is None:
            return
        try:
            text = json.dumps({"handled": handled.isoformat()}) + "\n"
            write_whole(self.file, text, durable=True)
        except OSError as error:
            raise FolderError(
                f"The schedule's state {self.file} cannot be written: {error.strerror}. "
                "Name a file in a folder of yours with --state."
            ) from None
