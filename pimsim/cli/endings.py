"""How a verb ends when the user stops it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

FAILED_STATUS: Final = 1
"""A mistake in what was given, or nothing that came of it."""
INTERRUPTED_STATUS: Final = 130
"""128 + SIGINT, as shells report it."""

_REPEAT_AFTER_S: Final = 0.05
"""Enough to be out of the callback."""


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


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Deliver a Ctrl-C again that fell into a callback from C, where Python drops exceptions.

    While kernels are compiled, LLVM calls back into Python now and then.
    """
    before = sys.unraisablehook

    def hear(dropped: Any) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            main = threading.main_thread().ident or 0
            threading.Timer(_REPEAT_AFTER_S, signal.pthread_kill, (main, signal.SIGINT)).start()
        else:
            before(dropped)

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before
