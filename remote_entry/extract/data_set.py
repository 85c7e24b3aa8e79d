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
