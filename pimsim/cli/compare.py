"""``pimsim compare``: one workload on many chips, one table, one figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli import progress
from pimsim.cli.options import Format, OutputFormat, at_least

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pimsim.comparison import Compared, Comparison


def compare(
    *,
    archs: Annotated[
        list[str],
        typer.Argument(metavar="ARCH...", help="Architectures: names or YAML files."),
    ],
    workload: Annotated[
        str, typer.Option(metavar="NAME", help="Workload: a name or a folder.")
    ] = "vit_digits",
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least(1),
            help="Samples to evaluate.",
            show_default="all up to 512",
        ),
    ] = None,
    chips: Annotated[
        int,
        typer.Option(metavar="N", callback=at_least(1), help="Monte Carlo instances of each chip."),
    ] = 3,
    seed: Annotated[
        int, typer.Option(metavar="N", callback=at_least(0), help="Seed of every random number.")
    ] = 0,
    batch: Annotated[
        int, typer.Option(metavar="N", callback=at_least(1), help="Inputs per inference.")
    ] = 1,
    seq: Annotated[
        int | None,
        typer.Option(metavar="N", callback=at_least(1), help="Tokens per input (dimension 'seq')."),
    ] = None,
    node_nm: Annotated[
        float | None,
        typer.Option(
            metavar="NM",
            help="Carry energy and area to this node, with the factors of digital logic.",
            show_default="each chip's own",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for comparison.json, .csv, .svg and .png.",
            show_default="none is written",
        ),
    ] = None,
    output_format: Format = OutputFormat.TABLE,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")
    ] = False,
) -> None:
    """Run a workload on several chips, in one table.

    Prints energy, latency, area and accuracy of each. Published chips come with hardware that they
    need for a transformer and were not published with; its share is printed. A chip that cannot run
    the workload is listed with the reason; exits with 1 if none can.
    """
    from pimsim import comparison

    if output is not None:
        from pimsim.report.comparison import holds_comparison
        from pimsim.report.folder import check_output

        check_output(output, holds_comparison)
    with progress.shown(wanted=not quiet) as bar:
        found = comparison.compare(
            archs, workload, samples=samples, chips=chips, seed=seed, batch=batch, seq=seq,
            node_nm=node_nm, progress=bar,
        )  # fmt: skip
    if output is not None:
        from pimsim.report import comparison as report

        report.write(found, output)
    if output_format is OutputFormat.JSON:
        from pimsim.report import comparison as report

        typer.echo(report.to_json(found), nl=False)
    else:
        from pimsim.cli import tables

        tables.print_parts(lambda _: _parts(found))
    if all(row.reason is not None for row in found.rows):
        typer.echo(f"error: no chip can run {found.workload!r}; the reasons stand above", err=True)
        raise typer.Exit(1)


def _parts(found: "Comparison") -> "Sequence[RenderableType]":
    from rich.text import Text

    chips = "1 chip" if found.chips == 1 else f"{found.chips} chips"
    samples = "1 sample" if found.samples == 1 else f"{found.samples} samples"
    head = Text(f"{found.workload}: {samples}, {chips} of each design, ", "bold")
    head.append(f"seed {found.seed}")
    reasons = [Text(f"{row.name}: {row.reason}") for row in found.rows if row.reason is not None]
    notes = [
        "extension: share of energy and of area of hardware that a chip was not published with",
        (
            "energy is that of one input, latency that of a batch; GPUs are predicted by a "
            "roofline, and --format json has scope and source of each row"
        ),
        *([f"accuracy of float32: {found.float32:.4g}"] if found.float32 is not None else []),
        *([found.scaling] if found.scaling is not None else []),
    ]
    tables = [_table(found, "pim"), _table(found, "gpu")]
    return [head, *tables, *reasons, *(Text(note, "dim") for note in notes)]


def _table(found: "Comparison", kind: str) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [row for row in found.rows if row.kind == kind]
    if not rows:
        return Text()
    table = Table(box=box.SIMPLE)
    table.add_column("chip" if kind == "pim" else "GPU", no_wrap=True)
    table.add_column("node" if kind == "pim" else "batch", justify="right")
    table.add_column("numbers")
    for title in ("energy", "latency", "area"):
        table.add_column(title, justify="right", no_wrap=True)
    if kind == "pim":
        table.add_column("accuracy", justify="right")
        table.add_column("extension", justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: "Compared") -> tuple[str, ...]:
    numbers = (
        _quantity(row.energy_uj, "µJ"),
        _quantity(row.latency_us, "µs"),
        _quantity(row.area_mm2, "mm²"),
    )
    if row.kind == "gpu":
        return (row.name, str(row.batch), row.precision, *numbers)
    node = "" if row.node_nm is None else f"{row.node_nm:g} nm"
    if row.reason is not None:
        return (row.name, node, row.precision, "cannot run", "", "", "", "")
    added = ""
    if row.extension_area_ratio:
        added = f"{row.extension_energy_ratio:.0%}, {row.extension_area_ratio:.0%}"
    accuracy = "" if row.accuracy is None else f"{row.accuracy:.4g}"
    return (row.name, node, row.precision, *numbers, accuracy, added)


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.4g} {unit}" if value < 9999.5 else f"{value:,.0f} {unit}"
