"""How a verb ends when the user stops it."""

from typing import Final

INTERRUPTED_STATUS: Final = 130
"""128 + SIGINT, as shells report it."""


def is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C is behind an exception.

    When it is pressed while a compiled kernel is being called, numba turns the
    ``KeyboardInterrupt`` into a ``SystemError`` that it causes.

    Examples
    --------
    >>> error = SystemError("returned a result with an exception set")
    >>> error.__cause__ = KeyboardInterrupt()
    >>> is_interrupt(error), is_interrupt(SystemError())
    (True, False)
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, KeyboardInterrupt):
        link = link.__cause__ or link.__context__
    return link is not None
