"""What a landed data set is made of; readers need no more than this, and no SQL."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A range of the cursor.

    Attributes:
        lo: The first value in it, as the server's own text; None for no lower bound.
        hi: The first value behind it; None, without a cursor, for everything.
    """

    lo: str | None = None
    hi: str | None = None

    def __str__(self) -> str:
        if self.hi is None:
            return "everything"
        return f"[{self.lo or 'the beginning'}, {self.hi})"


@dataclass(frozen=True)
class Partition:
    """A share of a window that one connection reads: a range of the partition's column.

    Attributes:
        lo: The first value in it, as the server's own text; None for no lower bound.
        hi: The first value behind it; None for no upper bound.
        is_null: Whether it is the rows without a value instead.
    """

    lo: str | None = None
    hi: str | None = None
    is_null: bool = False


@dataclass(frozen=True)
class Column:
    """A column of the query.

    Attributes:
        name: Its name.
        type: Its type as T-SQL writes it, in lower case.
    """

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True)
class Key:
    """A column that rows are cut into ranges by: the cursor, or the partition's.

    Attributes:
        column: Its name.
        kind: How the server orders it; one of ``server.keys.KINDS``.
    """

    column: str
    kind: str

    def __str__(self) -> str:
        return f"{self.column} {self.kind}"
