"""Going from hop to hop: each is tried, timed and reported."""

import time
from collections.abc import Callable, Iterable, Sequence

from remote_entry.errors import RemoteEntryError
from remote_entry.hop import Hop, Outcome
from remote_entry.masking import Masker

Step = tuple[str, Callable[[], str]]
"""A hop's name, and what tries it: it returns what was found, or raises a RemoteEntryError."""


class Walk:
    """Tries steps and reports each as a hop.

    Args:
        report: Receives each hop as soon as it is done.

    Attributes:
        exit_code: That of the first error; 0 as long as there was none.
    """

    def __init__(self, report: Callable[[Hop], object]) -> None:
        self._report = report
        self._masker = Masker(())
        self.exit_code = 0

    def hide(self, values: Iterable[str]) -> None:
        """Mask these values from now on."""
        self._masker = Masker(values)

    def chain(self, steps: Sequence[Step]) -> bool:
        """Try steps that stand on each other; return whether the last one was reached and went."""
        for index, (name, attempt) in enumerate(steps):
            if not self.hop(name, attempt):
                self.skip((later for later, _ in steps[index + 1 :]), because=name)
                return False
        return True

    def hop(self, name: str, attempt: Callable[[], str]) -> bool:
        """Try one step; return whether it went."""
        started = time.monotonic()
        try:
            detail = attempt()
        except RemoteEntryError as error:
            seconds = time.monotonic() - started
            self.exit_code = self.exit_code or error.exit_code
            failed = Hop(
                name, Outcome.FAILED, self._masked(error.message), seconds, error.kind, error.hint
            )
            self._report(failed)
            return False
        self._report(Hop(name, Outcome.OK, self._masked(detail), time.monotonic() - started))
        return True

    def warn(self, name: str, warnings: Iterable[str]) -> None:
        """Report what works and should be corrected all the same."""
        for warning in warnings:
            self._report(Hop(name, Outcome.WARNING, self._masked(warning)))

    def skip(self, names: Iterable[str], *, because: str) -> None:
        """Report steps that cannot be tried."""
        for name in names:
            self._report(Hop(name, Outcome.SKIPPED, f"because of {because}"))

    def _masked(self, text: str) -> str:
        """Return a text without what no output may show."""
        return self._masker.mask_text(text)
