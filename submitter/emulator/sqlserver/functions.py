"""T-SQL functions: the type each returns and the DuckDB expression that computes it.

A row of `FUNCTIONS` is one function. A function that is missing here is refused: with 195
if SQL Server does not know it either, with 40000 if the emulator just does not play it.
Source: "Functions (Transact-SQL)".
"""

import dataclasses
from collections.abc import Callable, Sequence

from sqlglot import exp

from submitter.emulator.sqlserver import byte_functions, date_functions, formats
from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.parsing import template
from submitter.emulator.sqlserver.precedence import common_type
from submitter.emulator.sqlserver.types import (
    BIGINT,
    CHARACTER,
    DATE,
    FLOAT,
    INT,
    MAX,
    UNIQUEIDENTIFIER,
    SqlType,
    nvarchar,
)

Types = Sequence[SqlType | None]
TypeRule = Callable[[Types], SqlType | None]
Build = Callable[[list[exp.Expression], Types], exp.Expression]

# SQL Server has these; the emulator does not.
_KNOWN_ELSEWHERE = frozenset(
    [
        "str",
        "patindex",
        "isnumeric",
        "isdate",
        "parse",
        "try_parse",
        "json_query",
        "json_modify",
        "openjson",
        "checksum",
        "binary_checksum",
        "soundex",
        "difference",
        "switchoffset",
        "translate",
        "todatetimeoffset",
        "datetimefromparts",
        "datetime2fromparts",
        "timefromparts",
        "datetimeoffsetfromparts",
        "grouping_id",
        "percentile_cont",
        "percentile_disc",
        "error_line",
        "string_split",
        "string_escape",
        "compress",
        "decompress",
        "cursor_status",
        "fileproperty",
        "typeproperty",
        "columnproperty",
        "objectproperty",
        "indexproperty",
        "date_bucket",
        "datetrunc",
        "generate_series",
        "newsequentialid",
        "context_info",
        "session_context",
        "rowcount_big",
        "checksum_agg",
        "parsename",
        "ident_seed",
        "ident_incr",
        "current_transaction_id",
    ]
)


@dataclasses.dataclass(frozen=True)
class Function:
    """One function: how many arguments, which type, how computed."""

    arguments: range
    type_rule: TypeRule
    build: Build


def function(name: str, arguments: int) -> Function:
    """Return what plays a function.

    Raises:
        SqlError: 195 for an unknown one, 40000 for one not played, 174 for a wrong number
            of arguments.
    """
    found = FUNCTIONS.get(name.lower())
    if found is None:
        if name.lower() in _KNOWN_ELSEWHERE:
            raise not_played(f"the function {name.upper()}")
        raise SqlError(195, f"'{name}' is not a recognized built-in function name.", severity=15)
    if arguments not in found.arguments:
        raise SqlError(
            174,
            f"The {name.lower()} function requires {found.arguments.start} argument(s).",
            severity=15,
        )
    return found


def _always(sql_type: SqlType) -> TypeRule:
    return lambda _: sql_type


def _like(index: int) -> TypeRule:
    return lambda types: types[index]


def _text_of(index: int) -> TypeRule:
    """The string type of an argument, or nvarchar if it is no string."""

    def rule(types: Types) -> SqlType | None:
        found = types[index]
        if found is None:
            return None
        return found if found.name in CHARACTER else nvarchar(4000)

    return rule


def _long_text(types: Types) -> SqlType:
    national = any(found is not None and found.name.startswith("n") for found in types)
    return SqlType("nvarchar", length=4000) if national else SqlType("varchar", length=8000)


def _written(text: str, *names: str) -> Build:
    """Compute by a DuckDB template whose names stand for the arguments in order."""

    def build(arguments: list[exp.Expression], _: Types) -> exp.Expression:
        return template(text, **dict(zip(names, arguments, strict=False)))

    return build


def _called(name: str) -> Build:
    """Compute by the DuckDB function of a name, the arguments as they are."""

    def build(arguments: list[exp.Expression], _: Types) -> exp.Expression:
        return exp.Anonymous(this=name, expressions=arguments)

    return build


def _is_null(arguments: list[exp.Expression], types: Types) -> exp.Expression:
    """ISNULL has the type of its first argument, and so casts the second."""
    target = types[0]
    replacement = arguments[1]
    if target is not None:
        replacement = template(f"CAST(:value AS {target.duckdb})", value=replacement)
    return exp.Anonymous(this="COALESCE", expressions=[arguments[0], replacement])


def _if(arguments: list[exp.Expression], _: Types) -> exp.Expression:
    return exp.Case(ifs=[exp.If(this=arguments[0], true=arguments[1])], default=arguments[2])


def _choose(arguments: list[exp.Expression], _: Types) -> exp.Expression:
    branches = [
        exp.If(this=exp.EQ(this=arguments[0].copy(), expression=exp.convert(number)), true=value)
        for number, value in enumerate(arguments[1:], start=1)
    ]
    return exp.Case(ifs=branches)


def _trimmed_length(types: Types) -> SqlType:
    return BIGINT if types[0] is not None and types[0].length == MAX else INT


def _widest(types: Types) -> SqlType | None:
    return common_type(types)


def _iif_type(types: Types) -> SqlType | None:
    return _widest(types[1:])


def _round_type(types: Types) -> SqlType | None:
    found = types[0]
    return FLOAT if found is not None and found.name == "real" else found


def _fresh_identifier(_: list[exp.Expression], __: Types) -> exp.Expression:
    return template("uuid()")


def _numeric(name: str, count: int = 1) -> Function:
    return Function(range(count, count + 1), _always(FLOAT), _called(name))


_DIGEST = SqlType("varbinary", length=8000)
ONE = range(1, 2)
TWO = range(2, 3)
THREE = range(3, 4)

FUNCTIONS: dict[str, Function] = {
    # Date and time. A server's clock here runs on UTC.
    "dateadd": Function(THREE, date_functions.date_add_type, date_functions.date_add),
    "datediff": Function(THREE, _always(INT), date_functions.date_difference),
    "datepart": Function(TWO, _always(INT), date_functions.date_part_of),
    "datename": Function(TWO, _always(nvarchar(30)), date_functions.date_name),
    "year": Function(ONE, _always(INT), date_functions.one_part("year")),
    "month": Function(ONE, _always(INT), date_functions.one_part("month")),
    "day": Function(ONE, _always(INT), date_functions.one_part("day")),
    "eomonth": Function(ONE, _always(DATE), _written("last_day(CAST(:d AS DATE))", "d")),
    "datefromparts": Function(
        THREE,
        _always(DATE),
        _written(
            "make_date(CAST(:y AS BIGINT), CAST(:m AS BIGINT), CAST(:d AS BIGINT))", "y", "m", "d"
        ),
    ),
    "datediff_big": Function(THREE, _always(BIGINT), date_functions.date_difference_big),
    "format": Function(TWO, _always(nvarchar(4000)), formats.format_date),
    # JSON.
    "json_value": Function(
        TWO,
        _always(nvarchar(4000)),
        _written(
            "CASE WHEN json_type(:json, :path) NOT IN ('OBJECT', 'ARRAY', 'NULL') "
            "THEN json_extract_string(:json, :path) END",
            "json",
            "path",
        ),
    ),
    "isjson": Function(ONE, _always(INT), _written("CAST(json_valid(:json) AS INTEGER)", "json")),
    # Nothing and something.
    "isnull": Function(TWO, _like(0), _is_null),
    "coalesce": Function(range(2, 255), _widest, _called("COALESCE")),
    "nullif": Function(TWO, _like(0), _called("NULLIF")),
    "greatest": Function(range(1, 255), _widest, _called("greatest")),
    "least": Function(range(1, 255), _widest, _called("least")),
    "iif": Function(THREE, _iif_type, _if),
    "choose": Function(range(2, 255), _iif_type, _choose),
    # Strings.
    "len": Function(
        ONE, _trimmed_length, _written("CAST(length(rtrim(CAST(:t AS VARCHAR))) AS INTEGER)", "t")
    ),
    "datalength": Function(ONE, _always(INT), byte_functions.data_length),
    "charindex": Function(
        TWO,
        _always(INT),
        _written("CAST(strpos(lower(:text), lower(:part)) AS INTEGER)", "part", "text"),
    ),
    "left": Function(TWO, _text_of(0), _written("left(CAST(:t AS VARCHAR), :n)", "t", "n")),
    "right": Function(TWO, _text_of(0), _written("right(CAST(:t AS VARCHAR), :n)", "t", "n")),
    "substring": Function(THREE, _like(0), byte_functions.substring),
    "hashbytes": Function(TWO, _always(_DIGEST), byte_functions.hash_bytes),
    "upper": Function(ONE, _text_of(0), _called("upper")),
    "lower": Function(ONE, _text_of(0), _called("lower")),
    "ltrim": Function(ONE, _text_of(0), _called("ltrim")),
    "rtrim": Function(ONE, _text_of(0), _called("rtrim")),
    "reverse": Function(ONE, _text_of(0), _called("reverse")),
    "replicate": Function(TWO, _long_text, _called("repeat")),
    "space": Function(
        ONE, _always(SqlType("varchar", length=8000)), _written("repeat(' ', :n)", "n")
    ),
    "replace": Function(
        THREE,
        _long_text,
        _written(  # the collation ignores case, so a plain replace would miss some
            r"regexp_replace(:t, regexp_escape(:old), replace(:new, '\', '\\'), 'gi')",
            "t",
            "old",
            "new",
        ),
    ),
    "stuff": Function(
        range(4, 5),
        _long_text,
        _written("left(:t, :s - 1) || :new || substring(:t, :s + :n)", "t", "s", "n", "new"),
    ),
    "concat": Function(range(2, 255), _long_text, _called("concat")),
    "concat_ws": Function(range(3, 255), _long_text, _called("concat_ws")),
    "quotename": Function(
        ONE, _always(nvarchar(258)), _written("'[' || replace(:t, ']', ']]') || ']'", "t")
    ),
    "ascii": Function(ONE, _always(INT), _called("ascii")),
    "unicode": Function(ONE, _always(INT), _called("unicode")),
    "char": Function(ONE, _always(SqlType("char", length=1)), _called("chr")),
    "nchar": Function(ONE, _always(SqlType("nchar", length=1)), _called("chr")),
    # Numbers.
    "abs": Function(ONE, _like(0), _called("abs")),
    "ceiling": Function(ONE, _like(0), _called("ceil")),
    "floor": Function(ONE, _like(0), _called("floor")),
    "round": Function(TWO, _round_type, _called("round")),
    "sign": Function(ONE, _like(0), _called("sign")),
    "power": Function(TWO, _like(0), _called("pow")),
    "square": Function(
        ONE, _always(FLOAT), _written("CAST(:x AS DOUBLE) * CAST(:x AS DOUBLE)", "x")
    ),
    "log": _numeric("ln"),
    "log10": _numeric("log10"),
    "exp": _numeric("exp"),
    "sqrt": _numeric("sqrt"),
    "sin": _numeric("sin"),
    "cos": _numeric("cos"),
    "tan": _numeric("tan"),
    "asin": _numeric("asin"),
    "acos": _numeric("acos"),
    "atan": _numeric("atan"),
    "degrees": _numeric("degrees"),
    "radians": _numeric("radians"),
    "atn2": _numeric("atan2", 2),
    "pi": _numeric("pi", 0),
    "rand": _numeric("random", 0),
    "newid": Function(range(1), _always(UNIQUEIDENTIFIER), _fresh_identifier),
    # Aggregates and windows.
    "approx_count_distinct": Function(ONE, _always(BIGINT), _called("approx_count_distinct")),
    "grouping": Function(
        ONE, _always(SqlType("tinyint")), _written("CAST(grouping(:x) AS UTINYINT)", "x")
    ),
    "stdev": _numeric("stddev_samp"),
    "stdevp": _numeric("stddev_pop"),
    "var": _numeric("var_samp"),
    "varp": _numeric("var_pop"),
    "row_number": Function(range(1), _always(BIGINT), _called("row_number")),
    "rank": Function(range(1), _always(BIGINT), _called("rank")),
    "dense_rank": Function(range(1), _always(BIGINT), _called("dense_rank")),
    "percent_rank": _numeric("percent_rank", 0),
    "cume_dist": _numeric("cume_dist", 0),
    "ntile": Function(ONE, _always(BIGINT), _called("ntile")),
    "lag": Function(range(1, 4), _like(0), _called("lag")),
    "lead": Function(range(1, 4), _like(0), _called("lead")),
    "first_value": Function(ONE, _like(0), _called("first_value")),
    "last_value": Function(ONE, _like(0), _called("last_value")),
}
