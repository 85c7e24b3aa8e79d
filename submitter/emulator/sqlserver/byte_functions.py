"""Functions that look at a value's bytes.

Sources: "DATALENGTH (Transact-SQL)", "HASHBYTES (Transact-SQL)", "SUBSTRING (Transact-SQL)".
"""

from collections.abc import Sequence

from sqlglot import exp

from submitter.emulator.sqlserver.conversions import padded
from submitter.emulator.sqlserver.engine import UTF16
from submitter.emulator.sqlserver.errors import not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.types import BINARY, CHARACTER, SqlType

Types = Sequence[SqlType | None]


def data_length(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """DATALENGTH: how many bytes a value takes; a national string is UTF-16."""
    kind = types[0]
    if kind is not None and kind.name in {"binary", "char", "nchar"}:
        width = kind.length * (2 if kind.name == "nchar" else 1)
        return template(f"CASE WHEN :value IS NOT NULL THEN {width} END", value=arguments[0])
    if kind is None or kind.name in BINARY:
        return template("octet_length(:value)", value=arguments[0])
    if kind.name not in CHARACTER:
        raise not_played(f"DATALENGTH of {kind.declaration}")
    if kind.name == "nvarchar":
        return template(f"CAST(octet_length({UTF16}(:value)) AS INTEGER)", value=arguments[0])
    return template("CAST(length(:value) AS INTEGER)", value=arguments[0])


def hash_bytes(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """HASHBYTES: SHA-256 of bytes, or of a national string's UTF-16."""
    algorithm, kind = arguments[0], types[1]
    if not isinstance(algorithm, exp.Literal) or algorithm.name.upper() != "SHA2_256":
        raise not_played("HASHBYTES with another algorithm than SHA2_256")
    if kind is not None and kind.name in {"nchar", "nvarchar"}:
        hashed = template(f"{UTF16}(:value)", value=padded(arguments[1], kind))
    elif kind is not None and kind.name in BINARY:
        hashed = padded(arguments[1], kind)
    else:
        raise not_played("HASHBYTES of anything but nvarchar and varbinary")
    return template("unhex(sha256(:value))", value=hashed)


def substring(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """SUBSTRING: characters of a string, bytes of bytes."""
    text, start, length = arguments
    names = {"t": text, "s": start, "n": length}
    if types[0] is not None and types[0].name in BINARY:
        return template(
            "unhex(substring(hex(:t), 2 * greatest(:s, 1) - 1, 2 * (:n + least(:s, 1) - 1)))",
            **names,
        )
    return template("substring(:t, greatest(:s, 1), :n + least(:s, 1) - 1)", **names)
