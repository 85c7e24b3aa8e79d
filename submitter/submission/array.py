"""Many runs of one job, each with other inputs, so many at once."""

import itertools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from submitter.backends.base import RunDetails
from submitter.errors import InputError, SubmitterError

Value = bool | int | float | str
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
# Seconds between two looks at the keyboard: where another thread gets the signal of a Ctrl-C, a
# wait without an end would not notice it.
_LOOK = 0.5
_LARGEST = 1000  # runs; more is a slip of the keyboard, not a wish


@dataclass(frozen=True)
class Member:
    """One run of an array.

    Attributes:
        number: Its place in the array, from 1.
        inputs: The inputs in which it differs from the others.
    """

    number: int
    inputs: Mapping[str, Value]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.inputs.items())


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


def members(settings: Sequence[str]) -> list[Member]:
    """Return every combination of inputs.

    Args:
        settings: Texts such as `lr=0.1,0.01` or `seed=1..5`, an input each; a range includes both
            of its ends.

    Raises:
        InputError: A text that is no setting, an input that is set twice, or too many runs.
    """
    axes: dict[str, list[Value]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        values = [value for part in text.split(",") for value in _values(part)]
        if not equals or not name or "" in values:
            raise InputError(
                f"--set takes NAME=VALUE, NAME=VALUE,VALUE or NAME=FIRST..LAST, not '{setting}'."
            )
        if name in axes:
            raise InputError(f"--set gives the input '{name}' twice; write --set {name}=A,B")
        axes[name] = values
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > _LARGEST:
        raise InputError(f"These settings make {count} runs; at most {_LARGEST} go into one array.")
    combinations = itertools.product(*axes.values())
    return [
        Member(number, dict(zip(axes, combination, strict=True)))
        for number, combination in enumerate(combinations, start=1)
    ]


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


def _values(text: str) -> list[Value]:
    found = _RANGE.fullmatch(text.strip())
    if not found:
        return [_scalar(text.strip())]
    first, last = int(found[1]), int(found[2])
    if abs(last - first) >= _LARGEST:
        raise InputError(f"The range {text} has more than {_LARGEST} numbers.")
    return list(range(first, last + 1) if first <= last else range(first, last - 1, -1))


def _scalar(text: str) -> Value:
    """Read a value as the job file's YAML would: a number, true or false, else a text."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)
