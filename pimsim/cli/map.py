"""``pimsim map``: what lies where on a chip, before anything runs on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pimsim.cli.options import Format, OutputFormat, SetOption, at_least
from pimsim.cli.run import Phase

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from pimsim.mapping import MappedWorkload
    from pimsim.report.layout import OpRow

SHOWN_OPS: Final = 40
"""Operations in the printed table."""
SHOWN_HOMES: Final = 8


def map_(
    *,
    workload: Annotated[
        str, typer.Argument(metavar="WORKLOAD", help="Workload: a name or a folder.")
    ],
    arch: Annotated[
        str, typer.Option(metavar="NAME", help="Architecture: a name or a YAML file.")
    ] = "rap",
    set_: SetOption = None,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N", callback=at_least(1), help="Inputs per inference (dimension 'batch')."
        ),
    ] = 1,
    seq: Annotated[
        int | None,
        typer.Option(metavar="N", callback=at_least(1), help="Tokens per input (dimension 'seq')."),
    ] = None,
    phase: Annotated[
        Phase | None,
        typer.Option(
            help="Phase of a decoder: prefill takes in a prompt, decode yields one more token.",
            show_default="the whole model",
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Tokens that prefill fills the cache with, or that decode finds in it.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the floor plan into FILE: .svg, .png or .pdf.",
            show_default="no drawing",
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Lay a workload onto a chip and draw the floor plan.

    Prints macros, tiles, utilisation and moved bits. Looks at shapes only; nothing is calibrated or
    run.
    """
    from pimsim.config import load_architecture, workload_path

    chip = load_architecture(arch, overrides=tuple(set_ or ()))
    path = workload_path(workload)

    from pimsim.workload.files import load

    if output is not None:
        from pimsim.report import floor_plan

        floor_plan.check_file(output)
    from pimsim.simulate import lay_out

    mapped = lay_out(
        chip,
        load(path),
        batch=batch,
        seq=seq,
        phase=None if phase is None else phase.value,
        context=context,
    )
    if output is not None:
        floor_plan.write(mapped, output)
    if output_format is OutputFormat.JSON:
        from pimsim.report import layout

        typer.echo(layout.to_json(mapped), nl=False)
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: _parts(mapped, output))


def _parts(mapped: "MappedWorkload", output: Path | None) -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables
    from pimsim.report import layout

    chip = mapped.architecture
    dims = ", ".join(f"{name} {size}" for name, size in mapped.dims.items())
    head = Text(f"{mapped.quantized.workload.name} on {chip.name}", style="bold")
    head.append(
        f"\n{tables.count(chip.chip.tiles, 'tile')}, {dims}, scheme {mapped.quantized.scheme}, "
        f"policy {chip.mapping.policy}, dataflow {chip.mapping.dataflow}, "
        f"{tables.count(mapped.rounds, 'round')}",
        style="not bold",
    )
    rows = [row for row in layout.op_rows(mapped) if row.blocks is not None]
    parts: list[RenderableType] = [head, Text(), _products(rows), Text(), _kinds(mapped), Text()]
    parts.append(_moved(mapped))
    if mapped.homes:
        parts += [Text(), _homes(mapped)]
    parts += [Text(f"Bear in mind: {note}") for note in mapped.notes]
    if output is not None:
        parts += [Text(), Text(f"Floor plan: {output}", overflow="fold")]
    return parts


def _products(rows: "list[OpRow]") -> "Table":
    """Matrices in macros; copies and rounds have a column if there are several of any."""
    from pimsim.cli import tables

    copied, cut = any(row.copies != 1 for row in rows), any(row.round for row in rows)
    title = "matrix" if len(rows) <= SHOWN_OPS else f"first {SHOWN_OPS} of {len(rows)} matrices"
    several = [name for name, wanted in (("copies", copied), ("round", cut)) if wanted]
    table = tables.plain_table(
        title, "macros", "blocks", *several, "tiles", "rows", "columns", "moved kbit"
    )
    for row in rows[:SHOWN_OPS]:
        numbers = [(str(row.copies), copied), (str(row.round + 1), cut)]
        table.add_row(
            row.op,
            row.hardware,
            f"{row.blocks:,}" if row.passes == 1 else f"{row.blocks:,} in {row.passes} passes",
            *(number for number, wanted in numbers if wanted),
            _tiles(row.tiles),
            _share(row.rows_ratio or 0.0),
            _share(row.cols_ratio or 0.0),
            f"{_all_moved(row) / 1000:,.1f}",
        )
    return table


def _all_moved(row: "OpRow") -> int:
    """Bits read, written and carried over links, each way through a place counted once."""
    moved = row.moved
    return sum(getattr(moved, name) for name in type(moved).__dataclass_fields__)


def _tiles(tiles: tuple[int, ...]) -> str:
    """Numbers of tiles, runs of them as ranges.

    Examples
    --------
    >>> _tiles((3,)), _tiles((0, 1, 2, 7)), _tiles((1, 3, 5, 7, 9))
    ('3', '0-2,7', '5 of 1-9')
    """
    runs: list[list[int]] = []
    for tile in tiles:
        if runs and tile == runs[-1][1] + 1:
            runs[-1][1] = tile
        else:
            runs.append([tile, tile])
    if len(runs) > 2:
        return f"{len(tiles)} of {tiles[0]}-{tiles[-1]}"
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _share(ratio: float) -> str:
    """Write a share; what is not 0 never reads 0.

    Examples
    --------
    >>> _share(0.5), _share(0.004), _share(0.0)
    ('50 %', '<1 %', '0 %')
    """
    return "<1 %" if 0 < ratio < 0.01 else f"{100 * ratio:.0f} %"


def _kinds(mapped: "MappedWorkload") -> "Table":
    from pimsim.cli import tables
    from pimsim.report import layout

    table = tables.plain_table(
        "kind of macro", "present", "used", "share", "rows", "columns", "cells", "programmed"
    )
    for total in layout.totals(mapped):
        times = total.programmings_per_inference
        writable = mapped.architecture.macros[total.kind].writable
        table.add_row(
            total.kind,
            f"{total.present:,}",
            f"{total.used:,}",
            _share(total.used / total.present),
            _share(total.rows_ratio),
            _share(total.cols_ratio),
            _share(total.cells_ratio),
            f"{times} x per inference" if times else "at run time" if writable else "once",
        )
    return table


def _moved(mapped: "MappedWorkload") -> "Table":
    from pimsim.cli import tables
    from pimsim.report import layout

    table = tables.plain_table("moved per inference", "kbit")
    for name, bits in layout.sum_moved(mapped).items():
        if bits:
            table.add_row(name.removesuffix("_bits").replace("_", " "), f"{bits / 1000:,.1f}")
    return table


def _homes(mapped: "MappedWorkload") -> "Table":
    from pimsim.cli import tables

    homes = sorted(mapped.homes, key=lambda home: -home.bits)
    table = tables.plain_table("not in macros or tile buffers", "lives in", "kbit")
    for home in homes[:SHOWN_HOMES]:
        table.add_row(home.what, home.place.replace("_", " "), f"{home.bits / 1000:,.1f}")
    if len(homes) > SHOWN_HOMES:
        rest = homes[SHOWN_HOMES:]
        places = sorted({home.place.replace("_", " ") for home in rest})
        bits = sum(home.bits for home in rest)
        table.add_row(f"{len(rest)} more", ", ".join(places), f"{bits / 1000:,.1f}")
    return table
