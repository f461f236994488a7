"""``pimsim sweep``: many designs on one or several workloads."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pimsim.cli.endings import FAILED_STATUS, INTERRUPTED_STATUS, is_interrupt
from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

    from pimsim.dse.store import Outcome
    from pimsim.dse.sweep_file import Sweep
    from pimsim.dse.sweeping import Explored

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
    from pimsim.dse.judging import knees
    from pimsim.dse.points import count_of
    from pimsim.dse.sweep_file import load_sweep
    from pimsim.dse.sweeping import explore
    from pimsim.sweeps import keep_knees

    asked = load_sweep(file)
    folder = output or Path("pimsim-out") / f"{asked.file.name}-sweep"
    quiet = output_format is OutputFormat.JSON
    if not quiet:
        typer.echo(_announcement(asked, count_of(asked)), err=True)
    began = time.monotonic()
    try:
        with _shown(wanted=not quiet) as progress:
            explored = explore(
                file, jobs=jobs, output=folder, resume=resume, limit=limit, dask=dask,
                repair=repair, progress=progress,
            )  # fmt: skip
        if not quiet and explored.complete and knees(explored.frame, asked):
            typer.echo("running the knee design for its whole result", err=True)
        missing = keep_knees(explored)
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        typer.echo(
            f"interrupted; what has ended is kept. Go on with: pimsim sweep {file} --output "
            f"{folder}{f' --jobs {jobs}' if jobs > 1 else ''} --resume",
            err=True,
        )
        raise typer.Exit(INTERRUPTED_STATUS) from None
    if quiet:
        typer.echo(explored.frame.to_json(orient="records"))
        return
    from pimsim.cli import tables

    seconds = time.monotonic() - began
    tables.print_parts(lambda width: _parts(explored, missing, seconds))
    if len(explored.frame) and explored.frame["error"].notna().all():
        raise typer.Exit(FAILED_STATUS)


def _announcement(asked: "Sweep", points: int) -> str:
    from pimsim.cli.tables import count

    axes = ", ".join(
        f"{axis.name} ({len(axis.settings)})" if axis.span is None else axis.name
        for axis in asked.axes
    )
    return f"sweep {asked.file.name}: {count(points, 'point')} over {axes}"


@contextmanager
def _shown(*, wanted: bool) -> "Iterator[_Bar | _Lines | None]":
    """Yield what a sweep reports to: a bar on a terminal, else lines; ``None`` for neither."""
    if not wanted:
        yield None
        return
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Lines()
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


class _Lines:
    """What a sweep reports to where nobody watches: what it says, and nothing per point."""

    def start(self, total: int, known: int) -> None:
        if known:
            typer.echo(f"{known} of {total} points are known", err=True)

    def advance(self, outcome: "Outcome") -> None:
        pass

    def say(self, text: str) -> None:
        typer.echo(text, err=True)


class _Bar:
    """What a sweep reports to on a terminal."""

    def __init__(self, display: "Progress") -> None:
        self._display = display
        self._task: TaskID | None = None
        self._began = time.monotonic()
        self._known = self._ended = self._failed = 0

    def start(self, total: int, known: int) -> None:
        self._known = known
        if known:
            self.say(f"{known} of {total} points are known")
        self._task = self._display.add_task("", total=total)

    def advance(self, outcome: "Outcome") -> None:
        if self._task is None:
            return
        self._ended += 1
        self._failed += outcome.row is None
        minutes = max(1e-9, (time.monotonic() - self._began) / 60)
        text = f"{max(0, self._ended - self._known) / minutes:.0f} per minute"
        if self._failed:
            text += f", {self._failed} failed"
        self._display.update(self._task, advance=1, description=text)

    def say(self, text: str) -> None:
        self._display.console.print(text, highlight=False, soft_wrap=True)


def _parts(
    explored: "Explored", missing: Mapping[str, str], seconds: float
) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables
    from pimsim.dse.folder import FRAME, KNEE_FOLDER
    from pimsim.dse.judging import knees, on_front
    from pimsim.dse.pace import duration
    from pimsim.dse.points import count_of

    asked, frame = explored.asked, explored.frame
    objectives = asked.objectives
    failed = int(frame["error"].notna().sum())
    head = Text(f"{asked.file.name}: {len(frame)} of {count_of(asked)} points", style="bold")
    if failed:
        head.append(f"\n{tables.count(failed, 'point')} failed, see column 'error'", "not bold")
        first = frame.loc[frame["error"].notna()].iloc[0]
        head.append(f"; the first, point {first['point']}: {first['error']}", "not bold")
    best = frame[on_front(frame, asked)].sort_values(next(iter(objectives), "point"))
    chosen = set(knees(frame, asked).values())
    columns = [axis.name for axis in asked.axes]
    shorter = (_short(name, columns) for name in columns)
    title = f"{tables.count(len(best), 'design')} that none beats"
    table = tables.plain_table(title, *shorter, *objectives, "")
    for place, row in best.head(SHOWN).iterrows():
        shown = (_shown_value(row[name]) for name in (*columns, *objectives))
        table.add_row(*shown, "knee" if place in chosen else "")
    work = Text(f"{explored.tally}, in {duration(seconds)}")
    files = Text(f"Files: {explored.folder}, see {FRAME}.csv", overflow="fold")
    if explored.complete and len(missing) < len(asked.file.workloads):
        files.append(f" and the whole result of each knee in {KNEE_FOLDER}/")
    lacking = [Text(f"no knee for {name}: {reason}") for name, reason in missing.items()]
    return [head, Text(), table, Text(), *lacking, work, files]


def _short(name: str, names: Sequence[str]) -> str:
    """Shortest end of a dotted path that no other path has."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        end = "." + ".".join(parts[-length:])
        if sum(f".{other}".endswith(end) for other in names) == 1:
            return end[1:]
    return name


def _shown_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
