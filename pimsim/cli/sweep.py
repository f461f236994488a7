"""``pimsim sweep``: many designs on one or several workloads."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pimsim.cli.endings import INTERRUPTED_STATUS, is_interrupt
from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

    from pimsim.dse.store import Outcome
    from pimsim.dse.sweep_file import Sweep

SHOWN: Final = 12
"""Designs of the front in the printed table."""


def sweep(
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Sweep: a name or a YAML file.")],
    jobs: Annotated[
        int, typer.Option(metavar="N", callback=at_least(1), help="Processes of this machine.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the output folder holds.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Most points to compute now.",
            show_default="all",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the store and the frame.",
            show_default="pimsim-out/<name>-sweep",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster that computes instead."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop damaged rows of the store first.")
    ] = False,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Run every design of a sweep file and show the front.

    The front are the designs that none beats in every goal. Each point is kept as it ends: an
    interrupted sweep goes on with --resume, a point that is known is free, one that fails is
    recorded and the others go on.
    """
    from pimsim.dse.points import count_of
    from pimsim.dse.sweep_file import load_sweep
    from pimsim.dse.sweeping import sweep as run_sweep

    asked = load_sweep(file)
    folder = output or Path("pimsim-out") / f"{asked.file.name}-sweep"
    quiet = output_format is OutputFormat.JSON
    if not quiet:
        typer.echo(_announcement(asked, count_of(asked)), err=True)
    try:
        with _shown(wanted=not quiet) as progress:
            frame = run_sweep(
                file, jobs=jobs, output=folder, resume=resume, limit=limit, dask=dask,
                repair=repair, progress=progress,
            )  # fmt: skip
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        typer.echo(
            f"interrupted; what has ended is kept. Go on with: pimsim sweep {file} --output "
            f"{folder} --resume",
            err=True,
        )
        raise typer.Exit(INTERRUPTED_STATUS) from None
    if quiet:
        typer.echo(frame.to_json(orient="records"))
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: _parts(frame, asked, folder, count_of(asked)))


def _announcement(asked: "Sweep", points: int) -> str:
    axes = ", ".join(
        f"{axis.name} ({len(axis.settings)})" if axis.span is None else axis.name
        for axis in asked.axes
    )
    return f"sweep {asked.file.name}: {points} points over {axes}"


@contextmanager
def _shown(*, wanted: bool) -> "Iterator[_Bar | None]":
    """Yield a progress bar, or ``None`` where nobody watches."""
    if not (wanted and sys.stderr is not None and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("points"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as display:
        yield _Bar(display)


class _Bar:
    """What a sweep reports to."""

    def __init__(self, display: "Progress") -> None:
        self._display = display
        self._task: TaskID | None = None
        self._began = time.monotonic()
        self._computed = self._failed = 0

    def start(self, total: int, done: int) -> None:
        self._task = self._display.add_task("", total=total, completed=done)

    def advance(self, outcome: "Outcome") -> None:
        if self._task is None:
            return
        self._computed += 1
        self._failed += outcome.row is None
        minutes = max(1e-9, (time.monotonic() - self._began) / 60)
        text = f"{self._computed / minutes:.0f} per minute"
        if self._failed:
            text += f", {self._failed} failed"
        self._display.update(self._task, advance=1, description=text)


def _parts(
    frame: "pd.DataFrame", asked: "Sweep", folder: Path, points: int
) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables
    from pimsim.dse.judging import on_front

    objectives = asked.file.objectives
    failed = int(frame["error"].notna().sum())
    head = Text(f"{asked.file.name}: {len(frame)} of {points} points", style="bold")
    if failed:
        head.append(f"\n{tables.count(failed, 'point')} failed, see column 'error'", "not bold")
    best = frame[on_front(frame, asked)].sort_values(next(iter(objectives), "point"))
    columns = [axis.name for axis in asked.axes]
    table = tables.plain_table(f"{len(best)} designs that none beats", *columns, *objectives)
    for _, row in best.head(SHOWN).iterrows():
        table.add_row(*(_shown_value(row[name]) for name in (*columns, *objectives)))
    files = Text(f"Files: {folder}, see {folder / 'points.csv'}", overflow="fold")
    return [head, Text(), table, Text(), files]


def _shown_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
