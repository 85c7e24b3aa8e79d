"""CAST and CONVERT: what T-SQL makes of a value where DuckDB would make something else.

Sources: "CAST and CONVERT (Transact-SQL)", its tables of styles and of truncation.
"""

import datetime as dt
import re

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.precedence import is_integer
from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    DATE_AND_TIME,
    INTEGER_WIDTH,
    MAX,
    SqlType,
)

_DATE_STYLES = {
    1: "%m/%d/%y",
    3: "%d/%m/%y",
    23: "%Y-%m-%d",
    101: "%m/%d/%Y",
    102: "%Y.%m.%d",
    103: "%d/%m/%Y",
    104: "%d.%m.%Y",
    105: "%d-%m-%Y",
    108: "%H:%M:%S",
    110: "%m-%d-%Y",
    111: "%Y/%m/%d",
    112: "%Y%m%d",
    114: "%H:%M:%S:%g",
    120: "%Y-%m-%d %H:%M:%S",
    121: "%Y-%m-%d %H:%M:%S.%g",
    126: "%Y-%m-%dT%H:%M:%S.%g",
}
_READABLE_ANYWAY = frozenset({20, 21, 23, 120, 121, 126, 127})  # ISO forms need no pattern
_LITERAL_FORMS = (
    "%Y%m%d",
    "%Y%m%d %H:%M:%S",
    "%Y/%m/%d",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%b %d %Y",
    "%d %b %Y",
    "%Y",
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?\Z")
_HEX_WITHOUT_PREFIX = 2
_SIX_DIGITS = (  # and an exponent of three
    r"regexp_replace(printf('%g', CAST(:value AS DOUBLE)), 'e([+-])(\d\d)$', 'e\10\2')"
)
_TEXT_FORMS = {
    "bit": "CAST(CAST(:value AS INTEGER) AS VARCHAR)",
    "real": _SIX_DIGITS,
    "float": _SIX_DIGITS,
    "money": "CAST(CAST(:value AS DECIMAL(21,2)) AS VARCHAR)",
    "smallmoney": "CAST(CAST(:value AS DECIMAL(21,2)) AS VARCHAR)",
    "uniqueidentifier": "upper(CAST(:value AS VARCHAR))",
}
_DATES = DATE_AND_TIME | {"date"}


def convert(
    value: exp.Expression,
    source: SqlType | None,
    target: SqlType,
    *,
    style: int | None = None,
    attempt: bool = False,
) -> exp.Expression:
    """Return the DuckDB expression for a conversion.

    Args:
        value: What to convert, in DuckDB's terms already.
        source: Its T-SQL type, None if unknown.
        target: The type asked for.
        style: CONVERT's third argument.
        attempt: Whether a failure gives NULL, as TRY_CAST does.

    Raises:
        SqlError: 40000 for a conversion that DuckDB would do differently.
    """
    if target.name in CHARACTER:
        return _cut(_to_text(value, source, style), target)
    if target.name in BINARY:
        return _to_binary(value, source, target)
    if source is not None and source.name in CHARACTER and target.name in _DATES:
        return _text_to_date(value, target, style, attempt=attempt)
    if source is not None and source.name in DATE_AND_TIME | {"date"} and is_integer(target):
        raise not_played(f"the conversion of {source.name} to {target.name}")
    if is_integer(target) and source is not None and source.name in BINARY:
        value = template("'0x' || hex(:value)", value=value)
    if is_integer(target) and not is_integer(source) and _is_number(source):
        value = template("trunc(:value)", value=value)  # T-SQL cuts, DuckDB rounds
    return _cast(value, target.duckdb, attempt=attempt)


def literal_date(text: str, target: SqlType) -> str | None:
    """Return a T-SQL date literal in ISO form, None if it is no date.

    The language is us_english, so a slashed date begins with the month.
    """
    stripped = text.strip()
    if not stripped:
        return "1900-01-01"
    if _ISO.match(stripped):
        return re.sub(r"(\.\d{6})\d+", r"\1", stripped)
    for form in _LITERAL_FORMS:
        try:
            parsed = dt.datetime.strptime(stripped, form)  # noqa: DTZ007 - it has no zone
        except ValueError:
            continue
        return parsed.date().isoformat() if target.name == "date" else parsed.isoformat(" ")
    return None


def _cast(value: exp.Expression, duckdb_type: str, *, attempt: bool) -> exp.Expression:
    verb = "TRY_CAST" if attempt else "CAST"
    return template(f"{verb}(:value AS {duckdb_type})", value=value)


def _is_number(source: SqlType | None) -> bool:
    return source is not None and (
        source.name in {"decimal", "numeric", "money", "smallmoney", "real", "float"}
    )


def _cut(text: exp.Expression, target: SqlType) -> exp.Expression:
    if target.length == MAX:
        return text
    return template("left(:text, :length)", text=text, length=target.length)


def _to_text(value: exp.Expression, source: SqlType | None, style: int | None) -> exp.Expression:
    if source is None:
        return template("CAST(:value AS VARCHAR)", value=value)
    if source.name in _DATES | {"time"}:
        return _date_to_text(value, source, style)
    if source.name in BINARY:
        if style not in {1, _HEX_WITHOUT_PREFIX}:
            raise not_played(f"the conversion of {source.name} to text without style 1 or 2")
        return template(
            "CASE WHEN :short THEN '' ELSE '0x' END || hex(:value)",
            short=exp.convert(style == _HEX_WITHOUT_PREFIX),
            value=value,
        )
    form = _TEXT_FORMS.get(source.name, "CAST(:value AS VARCHAR)")
    return template(form, value=padded(value, source))


def padded(value: exp.Expression, kind: SqlType) -> exp.Expression:
    """Return a value of a type of fixed length as long as it is; the engine keeps none of that."""
    if kind.name in {"char", "nchar"}:
        return template("rpad(:value, :length, ' ')", value=value, length=kind.length)
    if kind.name == "binary":
        digits = 2 * kind.length
        return template("unhex(rpad(hex(:value), :digits, '0'))", value=value, digits=digits)
    return value


def _date_to_text(value: exp.Expression, source: SqlType, style: int | None) -> exp.Expression:
    if style:
        if style not in _DATE_STYLES:
            raise not_played(f"CONVERT with style {style}")
        return template(
            "strftime(CAST(:value AS TIMESTAMP), :form)", value=value, form=_DATE_STYLES[style]
        )
    if source.name == "date":
        return template("CAST(:value AS VARCHAR)", value=value)
    if source.name in {"time", "datetime2"}:
        form = "%H:%M:%S.%f" if source.name == "time" else "%Y-%m-%d %H:%M:%S.%f"
        cut = 7 - source.scale + (1 if source.scale == 0 else 0)
        stamp = "DATE '2000-01-01' + :value" if source.name == "time" else ":value"
        whole = template(f"strftime({stamp}, '{form}') || '0'", value=value)
        return template("left(:whole, length(:whole) - :cut)", whole=whole, cut=cut)
    raise not_played(f"the conversion of {source.name} to text without a style")


def _to_binary(value: exp.Expression, source: SqlType | None, target: SqlType) -> exp.Expression:
    if is_integer(source) and target.length != MAX:
        return _whole_number_to_binary(value, source, target)
    if source is None or source.name in BINARY:
        return template("CAST(:value AS BLOB)", value=value)
    if source.name in {"varchar", "char"}:
        return template("encode(:value)", value=value)
    raise not_played(f"the conversion of {source.name} to binary")


def _whole_number_to_binary(
    value: exp.Expression, source: SqlType | None, target: SqlType
) -> exp.Expression:
    """Keep the low bytes, the highest of them first."""
    digits = 2 * target.length
    if target.name == "varbinary" and source is not None:
        digits = min(digits, 2 * INTEGER_WIDTH.get(source.name, 1))
    filling = "0" * digits
    return template(
        "unhex(right(:filling || hex(CAST(:value AS BIGINT)), :digits))",
        value=value, filling=filling, digits=digits,
    )  # fmt: skip


def _text_to_date(
    value: exp.Expression, target: SqlType, style: int | None, *, attempt: bool
) -> exp.Expression:
    inner = value.this if isinstance(value, exp.National) else value
    text = inner.name if isinstance(inner, exp.Literal) else inner if isinstance(inner, str) else ""
    if text and not style:
        iso = literal_date(text, target)
        if iso is None and not attempt:
            raise SqlError(
                241, "Conversion failed when converting date and/or time from character string."
            )
        return template(f"CAST(:iso AS {target.duckdb})", iso=iso) if iso else exp.null()
    if style and style not in _READABLE_ANYWAY:
        if style not in _DATE_STYLES:
            raise not_played(f"CONVERT with style {style}")
        verb = "try_strptime" if attempt else "strptime"
        value = template(f"{verb}(:value, :form)", value=value, form=_DATE_STYLES[style])
    elif target.name == "datetimeoffset":  # DuckDB knows no space before the zone
        value = template(r"regexp_replace(:value, '\s+([+-]\d\d:\d\d)$', '\1')", value=value)
    return _cast(value, target.duckdb, attempt=attempt)
