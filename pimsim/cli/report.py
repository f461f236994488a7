"""``pimsim report``: sweeps and results as one page to read, print and send."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders that `pimsim sweep` and `pimsim run` wrote."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page.",
            show_default="report.html in the folder, of several in pimsim-out",
        ),
    ] = None,
) -> None:
    """Put sweeps and results on one page to read, print and send.

    Of a sweep: the front and its knee, what each axis moves, how the best designs differ, what
    failed, and the whole result of the knee. Several results are set against each other.
    """
    from pimsim.report import write_page

    typer.echo(f"report: {write_page(paths, output)}")
