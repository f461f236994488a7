"""No Ctrl-C is lost, wherever it strikes."""

import ctypes
import sys
import time

import pytest

from pimsim.cli.endings import interrupts_heard

Callback = ctypes.PYFUNCTYPE(None)


def test_an_interrupt_in_a_callback_from_c_is_delivered_again() -> None:
    @Callback
    def callback() -> None:
        raise KeyboardInterrupt

    def interrupted() -> None:
        with interrupts_heard():
            callback()  # returns as if nothing had happened
            time.sleep(10)

    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sys.unraisablehook is before


def test_other_dropped_exceptions_are_reported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    @Callback
    def callback() -> None:
        raise ValueError("dropped")

    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(dropped.exc_type))
    with interrupts_heard():
        callback()
    assert reported == [ValueError]
