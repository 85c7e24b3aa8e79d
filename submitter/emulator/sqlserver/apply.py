"""CROSS APPLY and OUTER APPLY, with the rows of a function in their order.

SQL Server promises no order without ORDER BY, but it takes the rows of the left side one by one
and finds the parts of each in their order, and scripts count on it. DuckDB joins by hashing, which
may turn the parts around. So the function's rows get a hidden number, which stars leave out, and
a query without an order of its own is ordered by the left rows and this number.
"""

from collections.abc import Iterator

from sqlglot import exp

from submitter.emulator.sqlserver import table_functions

_ROW_ID = "rowid"  # DuckDB's own, which every stored table has and no star shows
_STORED = "is stored"
_NUMBER = "number of the row"


def mark_stored(table: exp.Table) -> None:
    """Note that the engine stores a table's rows, so that they have row ids."""
    table.meta[_STORED] = True


def lateral(node: exp.Lateral) -> exp.Lateral:
    """Return what APPLY joins in DuckDB's words.

    Raises:
        SqlError: 40000 for a function that is not played.
    """
    rows, alias, join = node.this, node.args.get("alias"), node.parent
    number = None
    if not isinstance(rows, exp.Subquery):
        alias = alias or exp.TableAlias(this=exp.to_identifier(rows.name.lower()))
        if join is not None and isinstance(join.parent, exp.Select):
            number = f"{_NUMBER} in {alias.name}"
        rows = exp.Subquery(this=table_functions.query(rows, number=number))
    if isinstance(join, exp.Join):  # APPLY has no condition, DuckDB's LATERAL needs one
        join.set("on", exp.true())
        join.set("side", None if node.args.get("cross_apply") else "LEFT")
    applied = exp.Lateral(this=rows, alias=alias)
    applied.meta[_NUMBER] = number
    return applied


def keep_order(select: exp.Select) -> exp.Select:
    """Return a rewritten query with the rows of the functions that it applies in order."""
    numbers = dict(_numbers(select))
    if not numbers:
        return select
    for projection in select.expressions:
        _leave_out(numbers, projection)
    row_ids = _row_ids(select)
    if row_ids is not None and _may_be_ordered(select):
        order = [exp.column(name, table=alias, quoted=True) for alias, name in numbers.items()]
        select.set(
            "order", exp.Order(expressions=[exp.Ordered(this=key) for key in row_ids + order])
        )
    return select


def _numbers(select: exp.Select) -> Iterator[tuple[str, str]]:
    """Yield the alias of each applied function and the name of its hidden column."""
    for join in select.args.get("joins") or ():
        number = join.this.meta.get(_NUMBER)
        if number is not None:
            yield join.this.alias, number


def _leave_out(numbers: dict[str, str], projection: exp.Expression) -> None:
    """Hide the numbers from a star."""
    if isinstance(projection, exp.Star):
        hidden, star = list(numbers.values()), projection
    elif isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
        same = [alias for alias in numbers if alias.lower() == projection.table.lower()]
        hidden, star = [numbers[alias] for alias in same], projection.this
    else:
        return
    if hidden:
        star.set("except_", [exp.to_identifier(name, quoted=True) for name in hidden])


def _row_ids(select: exp.Select) -> list[exp.Column] | None:
    """Return the row ids of what the functions are applied to, None if there are rows without."""
    joined = [join.this for join in select.args.get("joins") or ()]
    sources = [
        source for source in (select.args["from_"].this, *joined) if not source.meta.get(_NUMBER)
    ]
    if not all(source.meta.get(_STORED) for source in sources):
        return None
    return [exp.column(_ROW_ID, table=source.alias, quoted=True) for source in sources]


def _may_be_ordered(select: exp.Select) -> bool:
    """Whether a query has no order of its own and its rows are those of FROM."""
    if any(select.args.get(part) for part in ("order", "group", "having", "distinct")):
        return False
    if isinstance(select.parent, exp.SetOperation):
        return False
    return not any(projection.find(exp.AggFunc) for projection in select.expressions)
