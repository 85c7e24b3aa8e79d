"""Credentials in what the workspace shows of a run: variables, tags, the command, names."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from submitter.guard.findings import Finding
from submitter.guard.search import Search
from submitter.guard.variables import MASK, holds_credential, shown


def in_variables(variables: Mapping[str, str], where: str) -> Iterator[Finding]:
    """Yield the variables, tags or inputs that would carry a credential in clear.

    Args:
        variables: What the run, or every run in the environment, would get.
        where: Where they are written, for the message.
    """
    for name, value in variables.items():
        if holds_credential(name, value):
            yield Finding(where, f"{name} would carry a credential in clear", variable=name)


def in_texts(texts: Iterable[tuple[str, str]], search: Search) -> Iterator[Finding]:
    """Yield the credentials in texts.

    Args:
        texts: Pairs of where a text stands and the text.
        search: What to look for.
    """
    for where, text in texts:
        many_lines = "\n" in text.rstrip("\n")  # such as a Dockerfile
        for hit in search.in_settings(text.encode("utf-8", "surrogateescape")):
            line = hit.line if many_lines else None
            yield Finding(where, hit.what, line, hit.variable, commented=hit.commented)


def masked(data: Any, search: Search) -> Any:
    """Return texts, and mappings and lists of them, without the lines in which a credential stands.

    Args:
        data: As it was registered, such as a Dockerfile or a conda specification.
        search: What to look for.
    """
    if isinstance(data, Mapping):
        return {key: masked(value, search) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [masked(value, search) for value in data]
    if not isinstance(data, str):
        return data
    held = {hit.line for hit in search.in_settings(data.encode("utf-8", "surrogateescape"))}
    lines = enumerate(data.split("\n"), start=1)
    return "\n".join(MASK if number in held else shown("text", line) for number, line in lines)
