"""Progress is shown where somebody watches, and counts what was done."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from pimsim.cli import progress


def test_nothing_is_shown_when_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(wanted=True) as bar:
        assert bar is None
    assert capsys.readouterr() == ("", "")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with progress.shown(wanted=True) as bar:
        assert bar is not None
        bar.stage("calibrate", 4)
        bar.advance(3)
        bar.stage("write", None)
    assert "calibrate" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    assert "write" in screen.getvalue()
    with progress.shown(wanted=False) as bar:
        assert bar is None


def test_a_stage_is_complete_when_the_next_begins() -> None:
    display = Progress(console=Console(file=io.StringIO()))
    bar = progress.StageProgress(display)
    bar.advance()  # before any stage: nothing to count
    bar.stage("calibrate", 4)
    bar.advance()
    assert display.tasks[0].completed == 1
    bar.stage("evaluate", 10)
    bar.advance(2)
    bar.advance()
    assert (display.tasks[0].completed, display.tasks[1].completed) == (4, 3)
    bar.finish()
    assert display.finished
