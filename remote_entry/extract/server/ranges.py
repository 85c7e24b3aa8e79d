"""Ranges of the cursor that are asked for in place of what is new."""

from collections.abc import Iterable
from itertools import pairwise

from remote_entry.errors import ExtractError
from remote_entry.extract.data_set import Key, Window
from remote_entry.extract.server.keys import KeyKind, kind_of
from remote_entry.extract.server.source import Source
from remote_entry.extract.server.windows import newest
from remote_entry.extract.spec import Spec


def asked_window(
    source: Source,
    spec: Spec,
    bounds: tuple[str | None, str | None],
    committed: Iterable[Window],
    watermark: str | None,
) -> Window:
    """Check a range that was asked for.

    Args:
        source: The server.
        spec: The extract.
        bounds: The first value and the first one behind; None for the watermark, and for as far as
            it is safe.
        committed: What was landed already.
        watermark: The end of that.

    Returns:
        The window; one that was landed exactly so before is returned, too.

    Raises:
        ExtractError: The range is empty, ends where rows are still to come, leaves a gap, or has
            rows in common with another window.
    """
    if spec.cursor_key is None:
        raise _refused("a range needs a cursor", "give the extract a cursor")
    kind = kind_of(spec.cursor_key)
    lo = watermark if bounds[0] is None else kind.checked(bounds[0], what="--from")
    safe, landed = newest(source, spec), list(committed)
    hi = safe if bounds[1] is None else kind.checked(bounds[1], what="--to")
    for window in landed:
        if window == Window(lo, hi) or (bounds[0] is None and window.hi == hi):
            return window
    if safe is None or hi is None:
        raise _refused("there are no rows yet", "run again when there are")
    if lo is not None and kind.order(lo) >= kind.order(hi):
        is_open = bounds[1] is None
        ends = f"on there is nothing up to {hi}" if is_open else f"to {hi} there is nothing"
        hint = "give an earlier --from, or leave it out" if is_open else "give --from before --to"
        raise _refused(f"from {lo} {ends}", hint)
    if kind.order(hi) > kind.order(safe):
        raise _refused(
            f"--to {hi} lies behind {safe}, up to where the server is sure that nothing is still "
            "to come",
            "leave --to out",
        )
    asked = Window(lo, hi)
    if watermark is not None and lo is not None and kind.order(lo) > kind.order(watermark):
        raise _refused(
            f"between {watermark}, where the last window ended, and --from {lo} there would be a "
            "gap for ever",
            "leave --from out",
        )
    for other in landed:
        if _overlap(kind, asked, other):
            raise _refused(
                f"{asked} has rows in common with {other}, which was landed before; what is landed "
                "is never replaced",
                "extract into a new name",
            )
    return asked


def gaps(cursor: Key, landed: Iterable[Window]) -> list[Window]:
    """Return what lies between windows and was never landed."""
    order = kind_of(cursor).order
    windows = sorted(landed, key=lambda each: (each.lo is not None, each.lo and order(each.lo)))
    return [
        Window(one.hi, other.lo)
        for one, other in pairwise(windows)
        if one.hi is not None and other.lo is not None and order(one.hi) < order(other.lo)
    ]


def _overlap(kind: KeyKind, one: Window, other: Window) -> bool:
    """Tell whether a value can lie in both."""

    def begins_before_end(first: Window, second: Window) -> bool:
        if first.lo is None or second.hi is None:
            return True
        return kind.order(first.lo) < kind.order(second.hi)

    return begins_before_end(one, other) and begins_before_end(other, one)


def _refused(message: str, hint: str) -> ExtractError:
    return ExtractError(
        f"This range cannot be extracted: {message}", kind="extract.range", hint=hint
    )
