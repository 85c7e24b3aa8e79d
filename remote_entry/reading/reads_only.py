"""Whether a T-SQL text does nothing but read, so that doing it twice does no harm."""

import re

# In the order in which a scanner meets them: what hides words of the language.
_HIDDEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[(?:[^\]]|\]\])*\]", re.DOTALL
)
_WORD = re.compile(r"[@#$\w]+")
_FIRST = frozenset({"select", "with"})
# Reserved words that begin another statement or write; as names they would stand in quotes.
_OTHERS = frozenset(
    [
        "alter",
        "backup",
        "begin",
        "bulk",
        "close",
        "commit",
        "create",
        "cursor",
        "dbcc",
        "deallocate",
        "declare",
        "delete",
        "deny",
        "drop",
        "exec",
        "execute",
        "fetch",
        "goto",
        "grant",
        "if",
        "insert",
        "into",
        "kill",
        "merge",
        "open",
        "openquery",
        "openrowset",
        "print",
        "raiserror",
        "reconfigure",
        "restore",
        "return",
        "revert",
        "revoke",
        "rollback",
        "save",
        "set",
        "shutdown",
        "throw",
        "truncate",
        "update",
        "updatetext",
        "use",
        "waitfor",
        "while",
        "writetext",
    ]
)


def reads_only(sql: str) -> bool:
    """Tell whether a text is one SELECT, with or without WITH, that changes nothing.

    Args:
        sql: T-SQL. In doubt the answer is no: ``OFFSET … FETCH`` counts as reading, a cursor's
            FETCH does not.
    """
    if any("/*" in hidden[2:] for hidden in _HIDDEN.findall(sql) if hidden.startswith("/*")):
        return False  # nested comments
    bare = _HIDDEN.sub(_left_of, sql).strip().rstrip("; \t\r\n")
    words = [word.lower() for word in _WORD.findall(bare)]
    if ";" in bare or not words or words[0] not in _FIRST:
        return False
    if "offset" in words:
        words = [word for word in words if word != "fetch"]
    return not _OTHERS.intersection(words) and "next value for" not in " ".join(words)


def _left_of(hidden: re.Match[str]) -> str:
    """Return what stands for a comment, or for something in quotes."""
    return " " if hidden[0].startswith(("--", "/*")) else " quoted "
