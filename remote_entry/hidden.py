"""A text that nothing shows: neither ``repr``, nor ``vars`` of what holds it, nor a pickle."""

from typing import NoReturn


class Hidden:
    """A credential among settings; only ``.text`` gives it away.

    Args:
        text: The credential; empty if there is none.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    @property
    def text(self) -> str:
        """The credential itself: never log it, never put it on a command line."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "<hidden>" if self._text else "<nothing>"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential cannot be pickled")
