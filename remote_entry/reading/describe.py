"""What a query's columns are declared as, asked of the server before the query runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from remote_entry.errors import SqlError

# Types whose values have a small upper bound, and that every driver hands over as they are.
_BOUNDED = frozenset(
    [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "real",
        "float",
        "decimal",
        "numeric",
        "money",
        "smallmoney",
        "date",
        "time",
        "datetime",
        "smalldatetime",
        "datetime2",
        "char",
        "varchar",
        "nchar",
        "nvarchar",
        "binary",
        "varbinary",
        "timestamp",
        "uniqueidentifier",
    ]
)


@dataclass(frozen=True)
class Declaration:
    """The first result of a query.

    Attributes:
        types: Each column's type as T-SQL writes it; none if the server cannot tell.
        names: Their names.
    """

    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether every column has an ASCII name and values with a small upper bound."""
        return (
            bool(self.types)
            and "".join(self.names).isascii()
            and all(
                declared.partition("(")[0] in _BOUNDED and not declared.endswith("(max)")
                for declared in self.types
            )
        )

    @property
    def has_endless(self) -> bool:
        """Whether a column's values have no small upper bound."""
        return any(
            declared.partition("(")[0] not in _BOUNDED | {"datetimeoffset"}
            or declared.endswith("(max)")
            for declared in self.types
        )


def describe(
    engine: Engine, sql: str, explain: Callable[[Exception, str], SqlError]
) -> Declaration:
    """Ask what a query would return, without running it.

    Args:
        engine: Where.
        sql: T-SQL without parameters.
        explain: Makes a SqlError of a driver's error and of what failed.

    https://learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-describe-first-result-set-transact-sql

    Raises:
        SqlError: A condition that passes. What is wrong with the query shows when it runs.
    """
    procedure = "EXEC sp_describe_first_result_set ?"
    try:
        with engine.connect() as connection:
            own = connection.execution_options(isolation_level="AUTOCOMMIT")
            rows = own.exec_driver_sql(procedure, (sql,)).mappings().all()
    except DBAPIError as error:
        cause = error.orig if isinstance(error.orig, Exception) else error
        explained = explain(cause, "The query could not be described")
        if explained.transient:
            raise explained from None
        return Declaration()
    shown = [row for row in rows if not row["is_hidden"]]
    names = tuple(row["name"] or "" for row in shown)
    return Declaration(tuple(_declared(row) for row in shown), names)


def _declared(row: Any) -> str:
    """Return a column's type; types of the CLR have no system type's name."""
    return str(row["system_type_name"] or "").lower()
