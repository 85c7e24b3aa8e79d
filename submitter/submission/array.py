"""Many runs of one job, each with other inputs, so many at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from submitter.backends.base import RunDetails
from submitter.errors import SubmitterError
from submitter.submission.members import Member

# Seconds between two looks at the keyboard: where another thread gets the signal of a Ctrl-C, a
# wait without an end would not notice it.
_LOOK = 0.5


@dataclass(frozen=True)
class Outcome:
    """How a member ended.

    Attributes:
        member: Which one.
        details: Its run at the end; `None` if there was none.
        error: Why there was none, or why nobody knows how it ended.
    """

    member: Member
    details: RunDetails | None = None
    error: SubmitterError | None = None


def run_all(
    members: Sequence[Member],
    carry_out: Callable[[Member], RunDetails],
    *,
    at_once: int,
    on_end: Callable[[Outcome], object] = lambda _: None,
) -> list[Outcome]:
    """Carry members out, so many at once; one that fails does not stop the others.

    Args:
        members: What to run.
        carry_out: Submits a member and waits for its end.
        at_once: How many runs there may be at a time.
        on_end: Receives each outcome when it is known.

    Returns:
        The outcomes, in the order of the members.

    Raises:
        KeyboardInterrupt: From the keyboard; those that wait for their turn are not submitted any
            more, those that run are left running.
    """
    outcomes: list[Future[Outcome]] = [Future() for _ in members]
    turns = iter(zip(members, outcomes, strict=True))
    taking, stopped = threading.Lock(), threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with taking:
                member, outcome = next(turns, (None, None))
            if member is None or outcome is None:
                return
            try:
                outcome.set_result(_outcome(member, carry_out))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                outcome.set_exception(error)

    # Not a pool's threads: those would keep a process alive that was told to leave.
    for _ in range(min(at_once, len(members))):
        threading.Thread(target=work, name="submitter-array", daemon=True).start()
    try:
        waiting = set(outcomes)
        while waiting:
            ended, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for outcome in ended:
                on_end(outcome.result())
    finally:
        stopped.set()
    return [outcome.result() for outcome in outcomes]


def _outcome(member: Member, carry_out: Callable[[Member], RunDetails]) -> Outcome:
    try:
        return Outcome(member, carry_out(member))
    except SubmitterError as error:
        return Outcome(member, error=error)
