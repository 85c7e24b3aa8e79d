"""Read a run back and tell what in it a reader of the workspace could misuse."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from submitter import environment, guard
from submitter.backends.base import RemoteRun
from submitter.errors import ExposureError, ServiceError, SubmitterError
from submitter.guard import Finding, Search
from submitter.runs.log_reading import pieces_of

_CARRIED = 4096  # bytes of a log that are looked at again with the next piece: a key has many lines
_OWN_LINES = 1 << 20  # bytes after which a log without line ends is looked at all the same


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        run_id: The run.
        exposures: Each credential in plain view: its place and what it is, not its value.
        looked_at: What was read → how much of it: texts, or bytes of logs.
    """

    run_id: str
    exposures: tuple[Finding, ...]
    looked_at: Mapping[str, int] = field(default_factory=dict)

    def raise_if_exposed(self) -> None:
        """Raise what the audit found, if it found anything.

        Raises:
            ExposureError: Naming every exposure and what to do now.
        """
        if not self.exposures:
            return
        many = "A credential is" if len(self.exposures) == 1 else "Credentials are"
        places = "".join(f"\n  {line}" for line in guard.described(self.exposures))
        raise ExposureError(
            f"{many} in plain view in the run {self.run_id}, for all who can read the workspace:"
            f"{places}\nReplace each one where it is issued: it must be taken for known. Tags, "
            "display name and description can be changed; properties, definition and logs go only "
            "with the run."
        )


def audit(run: RemoteRun, environ: Mapping[str, str] = os.environ) -> Audit:
    """Search all that the workspace shows of a run for credentials.

    Read are the run's definition, properties, tags, names and error, its registered environment,
    all of its logs, the names and texts of its metrics, and the names of its files.

    Args:
        run: The run; also one that was not submitted from here.
        environ: This machine's variables, whose credentials are looked for in every form.

    Raises:
        ServiceError: Something could not be read: then nobody knows what it holds.
    """
    search = Search(guard.own_forms(environ))
    found: list[Finding] = []
    looked_at: dict[str, int] = {}
    for place, content in (
        *run.record().items(),
        ("metrics", run.metrics()),
        ("names of files", list(run.files())),
    ):
        texts = list(guard.texts_in(content))
        looked_at[place] = len(texts)
        for keys, text in texts:
            found += _in_text(place, keys, text, search)
    registered = run.environment()
    if registered:
        definition = list(environment.texts(registered.definition))
        looked_at["environment"] = len(definition)
        found += guard.in_texts(definition, search)
        for name, value in registered.definition.variables.items():
            found += guard.in_variables({name: value}, f"the environment {registered.name}")
    for name, address in sorted(run.details().logs.items()):
        try:
            size, exposures = _in_log(name, pieces_of(run, address), search)
        except SubmitterError as error:
            raise ServiceError(
                f"The log {name} of {run.id} could not be read, so nobody knows what it shows: "
                f"{error}"
            ) from None
        looked_at[name] = size
        found += exposures
    return Audit(run.id, tuple(dict.fromkeys(found)), looked_at)


def _in_text(
    place: str, keys: tuple[str | int, ...], text: str, search: Search
) -> Iterator[Finding]:
    where = f"{place} ({'.'.join(map(str, keys))})" if keys else place
    by_value = list(guard.in_texts([(where, text)], search))
    yield from by_value
    name = next((key for key in reversed(keys) if isinstance(key, str)), "")
    if not by_value:
        yield from guard.in_variables({name: text}, where)
    for key in keys:  # a metric may be called by what it should not say
        yield from guard.in_texts([(f"a name in {place}", str(key))], search)


def _in_log(name: str, pieces: Iterator[bytes], search: Search) -> tuple[int, list[Finding]]:
    """Search a log of any length, piece by piece; return its length and what was found."""
    found: dict[tuple[int, str], Finding] = {}
    size, lines, carried = 0, 0, b""
    for piece in pieces:
        size += len(piece)
        content = carried + piece
        for hit in search.in_text(content):
            line = lines + hit.line
            found.setdefault((line, hit.what), Finding(name, hit.what, line, hit.variable))
        # From the start of a line on, so that each look sees whole lines.
        cut = content.rfind(b"\n", 0, max(len(content) - _CARRIED, 0)) + 1
        if len(content) - cut > _OWN_LINES:
            cut = len(content) - _CARRIED
        lines += content.count(b"\n", 0, cut)
        carried = content[cut:]
    return size, list(found.values())


def as_data(made: Audit) -> dict[str, Any]:
    """Return an audit as plain data."""
    return {
        "run": made.run_id,
        "exposures": [
            {"place": one.where, "line": one.line, "what": one.what, "variable": one.variable}
            for one in made.exposures
        ],
        "looked_at": dict(made.looked_at),
    }
