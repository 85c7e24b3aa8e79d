"""What was found, and what becomes of it: refused all at once, or let through knowingly."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from submitter.errors import SecretInViewError

_MOST_SHOWN = 20
_MOST_LINES_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """A credential in plain view, without its value.

    Attributes:
        where: A file of the snapshot, or `job.yml:7`, or another place by name.
        what: The variable whose value it is, or what it looks like.
        line: In a file; counted from 1, or None for the file as a whole.
        variable: The variable that would carry it, or whose value it is.
        source: The file on this machine.
        commented: Whether a comment in the line allows it.
    """

    where: str
    what: str
    line: int | None = None
    variable: str | None = None
    source: Path | None = None
    commented: bool = False

    @property
    def place(self) -> str:
        """Where it is, in the way in which it can be allowed."""
        return self.where if self.line is None else f"{self.where}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"

    def is_allowed(self, allowed: Collection[str]) -> bool:
        """Tell whether it was let through knowingly: by variable, file, or file and line."""
        named = {self.variable, self.where, self.place}
        if self.source:
            named |= {str(self.source), f"{self.source}:{self.line}"}
        return self.commented or not named.isdisjoint(allowed)


def refuse(findings: Iterable[Finding], allowed: Collection[str] = ()) -> list[str]:
    """Refuse what was found, unless all of it was allowed.

    Args:
        findings: What was found.
        allowed: Variables, files, and lines as FILE:LINE, that the user has knowingly allowed.

    Returns:
        A warning for each finding that was allowed.

    Raises:
        SecretInViewError: Naming every other one, and the ways around it.
    """
    found = _once(findings)
    # A line of the job file is looked at twice: as what it says, and as a line that travels.
    let_through = {_line(one) for one in found if one.is_allowed(allowed)} - {None}
    passed = [one for one in found if one.is_allowed(allowed) or _line(one) in let_through]
    refused = [one for one in found if one not in passed]
    if refused:
        raise SecretInViewError(_refusal(refused))
    return [
        f"{kind}, let through {how}: all of the workspace will be able to read it."
        for how, some in _by_way(passed).items()
        for kind in described(some)
    ]


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Keep one finding of a line: what the job file says is found in the file again."""
    kept: dict[object, Finding] = {}
    for one in findings:
        key = _line(one) or (one.place, one.what)
        first = kept.setdefault(key, one)
        if one.commented and not first.commented:
            kept[key] = replace(first, commented=True)
    return list(kept.values())


def _line(one: Finding) -> tuple[Path, int] | None:
    """Return which line of which file on this machine a finding is about, if it is about one."""
    if one.source and one.line:
        return one.source.resolve(), one.line
    file, colon, number = one.where.rpartition(":")
    if one.line is None and colon and number.isdigit():
        return Path(file).resolve(), int(number)
    return None


def _by_way(passed: list[Finding]) -> dict[str, list[Finding]]:
    ways: dict[str, list[Finding]] = {}
    for one in passed:
        how = "by a comment" if one.commented else "with --allow-plaintext"
        ways.setdefault(how, []).append(one)
    return ways


def described(findings: Iterable[Finding]) -> list[str]:
    """Say what was found: one text for each kind of finding in a file."""
    lines: dict[tuple[str, str], list[int]] = {}
    for one in findings:
        lines.setdefault((one.where, one.what), []).extend([one.line] if one.line else [])
    return [f"{where}{_numbers(found)}: {what}" for (where, what), found in lines.items()]


def _numbers(lines: list[int]) -> str:
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:_MOST_LINES_SHOWN]))
    rest = len(lines) - _MOST_LINES_SHOWN
    return f":{shown} and {rest} more lines" if rest > 0 else f":{shown}"


def _refusal(refused: list[Finding]) -> str:
    many = f"{len(refused)} credentials" if len(refused) > 1 else "One credential"
    kinds = described(refused)
    shown = [f"\n  {kind}" for kind in kinds[:_MOST_SHOWN]]
    if len(kinds) > _MOST_SHOWN:
        shown.append(f"\n  … and {len(kinds) - _MOST_SHOWN} places more")
    return (
        f"{many} would be readable by everyone who can read the workspace; nothing of the job was "
        f"sent.{''.join(shown)}\n{_next_steps(refused)}"
    )


def _next_steps(refused: list[Finding]) -> str:
    variable = next((one.variable for one in refused if one.variable and not one.source), None)
    file = next((one for one in refused if one.source), None)
    steps = []
    if variable:
        steps.append(
            "Put the value into the workspace's vault (submitter secret set NAME) and write "
            f"{variable}_FROM_WORKSPACE: NAME instead."
        )
    if file:
        steps.append(
            "Let a script ask for its secret (remote_entry.get_secret), or keep the file back with "
            ".amlignore."
        )
    if not steps:
        steps.append(
            "Take it out; a run gets a secret by reference (AZURE_SECRET_1: NAME), never by value."
        )
    way = f"--allow-plaintext {variable or (file or refused[0]).place}"
    comment = " or, in its line, the comment 'pragma: allowlist secret'" if file else ""
    steps.append(f"Is it meant to be read by all of them? Let it through with {way}{comment}.")
    return "\n".join(steps)
