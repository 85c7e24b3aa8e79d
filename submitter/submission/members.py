"""Which runs an array has: every combination of the inputs that somebody set."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from submitter.errors import InputError

Value = bool | int | float | str
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
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
