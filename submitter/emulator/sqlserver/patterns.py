"""LIKE: % and _ are DuckDB's own, a [set] of characters needs a regular expression.

The pattern may be a parameter or a column, so the regular expression is built by the engine.
Source: "LIKE (Transact-SQL)".
"""

from sqlglot import exp

from submitter.emulator.sqlserver.errors import SqlError
from submitter.emulator.sqlserver.parsing import template

# A pattern is cut into sets, escaped characters and single characters. A set reads the same in
# both worlds; a bracket that nothing closes matches nothing.
_PIECES = r"\[\^?[^\]]+\]|(?s:.)"
_PIECE_TO_REGULAR_EXPRESSION = r"""
    CASE WHEN piece = '%' THEN '.*'
         WHEN piece = '_' THEN '.'
         WHEN piece = '[' THEN '[^\s\S]'
         WHEN length(piece) = 1 THEN regexp_escape(piece)
         WHEN piece[1] = '[' THEN replace(piece, '\', '\\')
         ELSE regexp_escape(piece[2]) END
"""
_MATCHES = (
    "regexp_full_match(:text, array_to_string(list_transform(regexp_extract_all(:pattern, :pieces),"
    f" lambda piece: {_PIECE_TO_REGULAR_EXPRESSION}), ''), :options)"
)


def like(
    text: exp.Expression,
    pattern: exp.Expression,
    escape: exp.Expression | None,
    *,
    heeds_case: bool,
) -> exp.Expression:
    """Return the condition that a text is LIKE a pattern.

    Args:
        text: The text.
        pattern: The pattern, of any form.
        escape: The literal after ESCAPE, if there is one.
        heeds_case: Whether the collation tells upper from lower case.

    Raises:
        SqlError: 506 for an ESCAPE that is no single literal character.
    """
    if escape is not None and (not isinstance(escape, exp.Literal) or len(escape.name) != 1):
        raise SqlError(
            506, f'The invalid escape character "{escape.name}" was specified in a LIKE predicate.'
        )
    plain = _without_sets(text, pattern, escape, heeds_case=heeds_case)
    if isinstance(pattern, exp.Literal) and "[" not in pattern.name:
        return plain
    matches = template(
        _MATCHES,
        text=text,
        pattern=pattern,
        pieces=_pieces(escape),
        options="s" if heeds_case else "si",
    )
    return template(
        "CASE WHEN contains(:pattern, '[') THEN :matches ELSE :plain END",
        pattern=pattern,
        matches=matches,
        plain=plain,
    )


def _without_sets(
    text: exp.Expression,
    pattern: exp.Expression,
    escape: exp.Expression | None,
    *,
    heeds_case: bool,
) -> exp.Expression:
    kind = exp.Like if heeds_case else exp.ILike
    condition = kind(this=text.copy(), expression=pattern.copy())
    return condition if escape is None else exp.Escape(this=condition, expression=escape.copy())


def _pieces(escape: exp.Expression | None) -> str:
    """Return the regular expression of a pattern's pieces."""
    if escape is None:
        return _PIECES
    code = f"{ord(escape.name):x}"
    return rf"\x{{{code}}}(?s:.)|{_PIECES}"
