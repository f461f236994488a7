"""``pimsim validate``: published chips against what pimsim makes of their descriptions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.options import Format, OutputFormat

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pimsim.validation import ValidationRow


def validate(
    chips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHIP]...", help="Published chips; all of them when none is given."
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Compare published chips with what pimsim gives for them.

    Number by number. Numbers that a constant was fitted to are marked; all others are predictions.
    Exits with 1 if a number is missed by more than its tolerance and the chip's file does not say
    so.
    """
    from pimsim import validation

    rows = validation.validate(tuple(chips or ()))
    if output_format is OutputFormat.JSON:
        document = [asdict(row) for row in rows]
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        from pimsim.cli import tables

        tables.print_parts(lambda _: _parts(rows))
    surprises = [row for row in rows if not row.within and row.outside is None]
    if surprises:
        places = ", ".join(f"{row.chip} {row.metric} ({row.conditions})" for row in surprises)
        typer.echo(
            f"error: outside the tolerance, and the file does not say so: {places}", err=True
        )
        raise typer.Exit(1)


def _parts(rows: "Sequence[ValidationRow]") -> "list[RenderableType]":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for chip in dict.fromkeys(row.chip for row in rows):
        table = Table(title=chip, title_justify="left", title_style="bold", box=box.SIMPLE)
        table.add_column("number", no_wrap=True)
        table.add_column("conditions")
        for title in ("published", "simulated", "deviation", "tolerance"):
            table.add_column(title, justify="right")
        table.add_column("")
        for row in (row for row in rows if row.chip == chip):
            table.add_row(
                row.metric,
                row.conditions,
                f"{row.published:.4g}",
                f"{row.simulated:.4g}",
                f"{row.deviation_ratio:+.1%}",
                f"±{row.tolerance_ratio:.3g}",
                verdict(row),
            )
        parts.append(table)
    missed = sum(not row.within for row in rows)
    predicted = sum(not row.calibrated for row in rows)
    line = f"{len(rows)} numbers, {predicted} of them predicted; {missed} outside their tolerance"
    return [*parts, Text(line)]


def verdict(row: "ValidationRow") -> str:
    """One or two words on a row.

    Examples
    --------
    >>> from pimsim.validation import validate
    >>> verdict(validate(["isaac"])[0])
    ''
    """
    words = ["calibrated"] * row.calibrated + ["OUTSIDE"] * (not row.within)
    return ", ".join(words)
