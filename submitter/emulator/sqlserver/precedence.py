"""The type of an expression from the types of its parts.

Sources: "Data type precedence" and "Precision, scale, and length (Transact-SQL)".
"""

from collections.abc import Iterable

from submitter.emulator.sqlserver.types import (
    BINARY,
    CHARACTER,
    INT,
    INTEGER_WIDTH,
    MAX,
    NATIONAL,
    ROW_VERSION,
    SqlType,
)

_LOWEST_FIRST = (
    "binary", "varbinary", "char", "varchar", "nchar", "nvarchar", "uniqueidentifier",
    "timestamp", "bit", "tinyint", "smallint", "int", "bigint", "smallmoney", "money", "decimal",
    "numeric", "real", "float", "time", "date", "smalldatetime", "datetime", "datetime2",
    "datetimeoffset",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(_LOWEST_FIRST)}
_DIGITS = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_MOST_DIGITS = 38
_LEAST_DIVISION_SCALE = 6


def common_type(types: Iterable[SqlType | None]) -> SqlType | None:
    """Return the type that CASE, COALESCE or UNION gives values of several types.

    A None among them (a bare NULL or an unknown type) is left out.
    """
    result: SqlType | None = None
    for sql_type in types:
        if sql_type is not None:
            result = sql_type if result is None else _merge(result, sql_type)
    return result


def concatenation_type(left: SqlType | None, right: SqlType | None) -> SqlType | None:
    """Return the type of `left + right` if it joins strings, else None."""
    texts = [side for side in (left, right) if side is not None and side.name in CHARACTER]
    known = [side for side in (left, right) if side is not None]
    if not texts or any(side.name not in CHARACTER for side in known):
        return None
    national = any(side.name in NATIONAL for side in texts)
    limit = 4000 if national else 8000
    if any(side.length == MAX for side in texts):
        length = MAX
    else:
        length = min(limit, sum(side.length for side in texts) if len(texts) == len(known) else 1)
        length = length if len(texts) > 1 else limit
    return SqlType("nvarchar" if national else "varchar", length=length)


def arithmetic_type(operator: str, left: SqlType | None, right: SqlType | None) -> SqlType | None:
    """Return the type of an arithmetic operation; the operator is one of + - * / %."""
    if left is None or right is None:
        return None
    if "decimal" in (_exactness(left), _exactness(right)) and "other" not in (
        _exactness(left),
        _exactness(right),
    ):
        return _decimal_arithmetic(operator, as_decimal(left), as_decimal(right))
    result = common_type((left, right))
    if result is not None and result.name == "bit":
        return INT
    return result


def as_decimal(sql_type: SqlType) -> SqlType:
    """Return the decimal that holds every value of an exact number."""
    if sql_type.name in _DIGITS:
        return SqlType("decimal", precision=_DIGITS[sql_type.name])
    return SqlType("decimal", precision=sql_type.precision, scale=sql_type.scale)


def _exactness(sql_type: SqlType) -> str:
    if sql_type.name in {"decimal", "numeric"}:
        return "decimal"
    if sql_type.name in _DIGITS or sql_type.name in {"money", "smallmoney"}:
        return "exact"
    return "other"


def _decimal_arithmetic(operator: str, left: SqlType, right: SqlType) -> SqlType:
    whole = max(left.precision - left.scale, right.precision - right.scale)
    scale = max(left.scale, right.scale)
    precision = whole + scale + 1
    if operator == "*":
        precision = left.precision + right.precision + 1
        scale = left.scale + right.scale
    elif operator == "/":
        scale = max(_LEAST_DIVISION_SCALE, left.scale + right.precision + 1)
        precision = left.precision - left.scale + right.scale + scale
    elif operator == "%":
        precision = min(left.precision - left.scale, right.precision - right.scale) + scale
    if precision > _MOST_DIGITS:
        whole = precision - scale
        if operator in "*/":
            scale = max(_MOST_DIGITS - whole, min(scale, _LEAST_DIVISION_SCALE))
        else:
            scale = max(_MOST_DIGITS - whole, 0)
        precision = _MOST_DIGITS
    return SqlType("decimal", precision=precision, scale=scale)


def _merge(left: SqlType, right: SqlType) -> SqlType:
    if left == right:
        return left
    low, high = sorted((left, right), key=lambda sql_type: _RANK[sql_type.name])
    if high.name in {"decimal", "numeric"} and _exactness(low) != "other":
        first, second = as_decimal(low), as_decimal(high)
        scale = max(first.scale, second.scale)
        whole = max(first.precision - first.scale, second.precision - second.scale)
        return SqlType(high.name, precision=min(whole + scale, _MOST_DIGITS), scale=scale)
    if high.name in CHARACTER | BINARY and high != ROW_VERSION:
        length = MAX if MAX in (low.length, high.length) else max(low.length, high.length)
        return SqlType(high.name, length=length)
    if high.name == low.name:
        return high if high.scale >= low.scale else low
    return high


def is_integer(sql_type: SqlType | None) -> bool:
    """Whether a type is one of the whole numbers."""
    return sql_type is not None and (sql_type.name in INTEGER_WIDTH or sql_type.name == "bit")
