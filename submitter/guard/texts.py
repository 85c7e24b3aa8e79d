"""Credentials in what the workspace shows of a run: variables, tags, the command, names."""

from collections.abc import Iterable, Iterator, Mapping

from submitter.guard.findings import Finding
from submitter.guard.search import Search
from submitter.guard.variables import holds_credential


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
