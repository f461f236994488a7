"""A progress bar on stderr, where somebody watches it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class StageProgress:
    """What a simulation reports to: one bar per stage, the one at work last."""

    def __init__(self, display: "Progress") -> None:
        self._display = display
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of ``total`` steps, or of unknown length; the one before is complete."""
        self.finish()
        self._task = self._display.add_task(name, total=total)

    def advance(self, n: int = 1) -> None:
        """Count ``n`` steps of the stage as done."""
        if self._task is not None:
            self._display.advance(self._task, n)

    def finish(self) -> None:
        """Show the last stage as complete."""
        if self._task is not None:
            task = self._display.tasks[self._task]
            total = task.total if task.total is not None else max(task.completed, 1)
            self._display.update(self._task, total=total, completed=total)
            self._task = None


@contextmanager
def shown(*, wanted: bool) -> Iterator[StageProgress | None]:
    """Yield a progress bar, or ``None`` if it is not wanted or stderr is no terminal."""
    if not (wanted and sys.stderr is not None and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as display:
        progress = StageProgress(display)
        yield progress
        progress.finish()
