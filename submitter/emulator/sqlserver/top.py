"""TOP ... PERCENT and WITH TIES, which DuckDB says with QUALIFY.

Source: "TOP (Transact-SQL)".
"""

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError, not_played
from submitter.emulator.sqlserver.parsing import template


def rewrite(select: exp.Select) -> exp.Select:
    """Return a query whose TOP has neither of the two.

    Raises:
        SqlError: 1062 for WITH TIES without ORDER BY, 40000 for forms that are not played.
    """
    limit = select.args.get("limit")
    options = limit.args.get("limit_options") if limit is not None else None
    if options is None or not (options.args.get("percent") or options.args.get("with_ties")):
        return select
    order = select.args.get("order")
    if options.args.get("with_ties") and order is None:
        raise SqlError(
            1062, "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY."
        )
    if select.args.get("distinct"):
        raise not_played("TOP with PERCENT or WITH TIES beside DISTINCT")
    if order is not None and any(isinstance(item.this, exp.Literal) for item in order.expressions):
        raise not_played("TOP with PERCENT or WITH TIES beside ORDER BY a position")
    count = limit.expression
    if options.args.get("percent"):
        count = template("ceil(count(*) OVER () * CAST(:part AS DOUBLE) / 100)", part=count)
    position = exp.Window(
        this=exp.Anonymous(this="rank" if options.args.get("with_ties") else "row_number"),
        order=order.copy() if order is not None else None,
    )
    select.set("limit", None)
    select.set("qualify", exp.Qualify(this=exp.LTE(this=position, expression=count)))
    return select
