"""Going from hop to hop: each is tried, timed and reported, unless it stands on one that failed."""

import time
from collections.abc import Callable, Iterable, Sequence

from remote_entry.hop import Hop, Outcome
from submitter.errors import (
    InputError,
    NotFoundError,
    RunFailedError,
    ServiceError,
    SignInError,
    SubmitterError,
    WorkspaceError,
)

_KINDS = (
    (InputError, "input"),
    (SignInError, "sign-in"),
    (WorkspaceError, "workspace"),
    (NotFoundError, "not-found"),
    (RunFailedError, "run-failed"),
    (ServiceError, "service"),
)


class Finding(SubmitterError):  # noqa: N818 - it may be no more than a warning
    """What is wrong at one hop.

    Args:
        message: What happened and where it was looked for.
        kind: A stable word for programs, such as `compute.too-small`.
        fix: The next step.
        exit_code: As in `submitter.errors`; 0 for a warning.
    """

    def __init__(self, message: str, *, kind: str, fix: str, exit_code: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.fix = fix
        self.exit_code = exit_code


class Walk:
    """Tries hops and reports each as soon as it is done.

    Args:
        report: Receives each hop.

    Attributes:
        hops: All of them so far.
        exit_code: That of the first that failed; 0 as long as none did.
    """

    def __init__(self, report: Callable[[Hop], object]) -> None:
        self._report = report
        self._blocked: dict[str, str] = {}  # hop → the failed one that it stands on, or is
        self.hops: list[Hop] = []
        self.exit_code = 0

    def hop(
        self, name: str, attempt: Callable[[], str], *, fix: str, needs: Sequence[str] = ()
    ) -> bool:
        """Try one hop.

        Args:
            name: Its name.
            attempt: Returns what was found, or raises what is wrong.
            fix: The next step, where the error does not bring its own.
            needs: The hops that it stands on.

        Returns:
            Whether it went, be it with a warning.
        """
        cause = next((self._blocked[need] for need in needs if need in self._blocked), None)
        if cause:
            self.skip([name], f"because of {cause}")
            self._blocked[name] = cause
            return False
        started = time.monotonic()
        try:
            detail = attempt()
        except SubmitterError as error:
            return self._fell(name, error, fix, time.monotonic() - started)
        self._add(Hop(name, Outcome.OK, detail, time.monotonic() - started))
        return True

    def _fell(self, name: str, error: SubmitterError, fix: str, seconds: float) -> bool:
        kind = next((word for cls, word in _KINDS if isinstance(error, cls)), "error")
        if isinstance(error, Finding):
            kind, fix = error.kind, error.fix
        if error.exit_code == 0:
            self._add(Hop(name, Outcome.WARNING, str(error), seconds, kind, fix))
            return True
        self.exit_code = self.exit_code or error.exit_code
        self._blocked[name] = name
        self._add(Hop(name, Outcome.FAILED, str(error), seconds, kind, fix))
        return False

    def warn(self, name: str, warnings: Iterable[str]) -> None:
        """Report what works and should be corrected all the same."""
        for warning in warnings:
            self._add(Hop(name, Outcome.WARNING, warning))

    def skip(self, names: Iterable[str], reason: str) -> None:
        """Report hops that are not tried."""
        for name in names:
            self._add(Hop(name, Outcome.SKIPPED, reason))

    def _add(self, hop: Hop) -> None:
        self.hops.append(hop)
        self._report(hop)
