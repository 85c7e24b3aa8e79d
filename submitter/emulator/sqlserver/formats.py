"""FORMAT of dates, by the custom patterns that .NET shares with strftime.

Source: "FORMAT (Transact-SQL)" and .NET's "Custom date and time format strings".
"""

import re
from collections.abc import Sequence

from sqlglot import exp

from submitter.emulator.sqlserver.errors import not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.types import DATE_AND_TIME, SqlType

_CODES = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "dddd": "%A", "ddd": "%a",
    "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "fff": "%g", "tt": "%p",
}  # fmt: skip
# A run of one letter is one code; what is no letter stands for itself.
_PIECE = re.compile(r"(?P<code>([A-Za-z])\2*)|(?P<plain>[^A-Za-z%'\"\\])")


def format_date(arguments: list[exp.Expression], types: Sequence[SqlType | None]) -> exp.Expression:
    """Return DuckDB's expression for FORMAT(value, pattern).

    Raises:
        SqlError: 40000 for anything but a date and a literal pattern of known codes.
    """
    value, pattern = arguments
    kind = types[0]
    if kind is None or kind.name not in DATE_AND_TIME | {"date"}:
        raise not_played("FORMAT of anything but a date")
    if not isinstance(pattern, exp.Literal):
        raise not_played("FORMAT with a pattern that is no literal")
    return template(
        "strftime(CAST(:value AS TIMESTAMP), :form)", value=value, form=_translated(pattern.name)
    )


def _translated(pattern: str) -> str:
    pieces = list(_PIECE.finditer(pattern))
    if "".join(piece[0] for piece in pieces) != pattern or len(pattern) == 1:
        raise not_played(f"FORMAT with the pattern {pattern}")
    translated = ""
    for piece in pieces:
        code = piece["code"]
        if code and code not in _CODES:
            raise not_played(f"FORMAT with the code {code}")
        translated += _CODES[code] if code else piece["plain"]
    return translated
