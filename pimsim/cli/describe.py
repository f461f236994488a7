"""``pimsim describe``: what a chip can do at best, before anything runs on it."""

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pimsim.cli.options import Format, OutputFormat, SetOption, VariantOption

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from pimsim.cost.describe import Description, MacroDescription

SHOWN_PARTS: Final = 8
"""Components in each printed breakdown."""


def describe(
    *,
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="Architecture: a name or a YAML file.")
    ],
    set_: SetOption = None,
    variant: VariantOption = None,
    density: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of ones among the bits of inputs and weights; an assumption.",
        ),
    ] = 0.5,
    output_format: Format = OutputFormat.TABLE,
) -> None:
    """Describe a chip at its peak, and one full MVM of each macro.

    Prints area, TOPS, TOPS/W and TOPS/mm², latency and energy with their breakdowns. A full MVM is
    one vector times a matrix that fills the crossbar, at the widths of the file; at peak, all
    macros do nothing else. One MAC is two operations.
    """
    from pimsim.config import load_architecture
    from pimsim.cost import describe as model

    chip = load_architecture(arch, overrides=tuple(set_ or ()))
    found = model.describe(chip, variant, density_ratio=density)
    if output_format is OutputFormat.JSON:
        document = model.to_document(found)
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from pimsim.cli import tables

    tables.print_parts(lambda width: _parts(found))


def _parts(found: "Description") -> "list[RenderableType]":
    from rich.text import Text

    from pimsim.cli import tables

    head = Text(f"{found.architecture}", style="bold")
    head.append(
        f"\ncost variant {found.variant}, {found.node_nm:g} nm, {found.supply_v:g} V; ones in "
        f"{found.density_ratio:.0%} of the bits (assumed)",
        style="not bold",
    )
    parts: list[RenderableType] = [head, Text(), _peak(found), Text()]
    if found.buffer_demand_ratio > 1.0:
        parts += [Text(_held_up(found)), Text()]
    for macro in found.macros.values():
        parts += [_mvm(macro), Text()]
    breakdowns = [
        ("area of the chip", found.area_breakdown_mm2, "mm²"),
        ("power of the chip at peak", found.power_breakdown_mw, "mW"),
        *(
            (f"energy of one full MVM of {macro.macro}", macro.energy_breakdown_pj, "pJ")
            for macro in found.macros.values()
        ),
    ]
    for title, breakdown, unit in breakdowns:
        parts += [tables.ranking(title, breakdown, unit, shown=SHOWN_PARTS), Text()]
    return parts[:-1]


def _held_up(found: "Description") -> str:
    return (
        f"The buffers of the tiles have 1/{found.buffer_demand_ratio:.3g} of the bandwidth that "
        "all macros at once would need: the peak is out of reach."
    )


def _peak(found: "Description") -> "Table":
    from pimsim.cli import tables

    table = tables.plain_table("chip at peak, all macros reading", "")
    for what, value, unit in (
        ("area", found.area_mm2, "mm²"),
        ("power", found.power_mw, "mW"),
        ("throughput", found.tops, "TOPS"),
        ("efficiency", found.tops_per_w, "TOPS/W"),
        ("density", found.tops_per_mm2, "TOPS/mm²"),
    ):
        table.add_row(what, _known(value, unit))
    return table


def _known(value: float | None, unit: str) -> str:
    from pimsim.cli import tables

    return "not stated" if value is None else tables.quantity(value, unit)


def _mvm(macro: "MacroDescription") -> "Table":
    from pimsim.cli import tables

    size = f"{macro.rows} x {macro.cols}, {macro.input_bits} x {macro.weight_bits} bit"
    table = tables.plain_table(f"one full MVM of {macro.macro}: {size}", "")
    for what, text in (
        ("macros on the chip", f"{macro.instances:,}"),
        ("latency", tables.quantity(macro.latency_ns, "ns")),
        ("next vector after", tables.quantity(macro.period_ns, "ns")),
        ("energy", tables.quantity(macro.energy_pj, "pJ")),
        ("reads", f"{macro.reads:,} of {macro.active_rows} rows"),
        ("conversions", f"{macro.conversions:,} to {macro.adc_codes} codes"),
        ("conversions per MAC", tables.quantity(macro.conversions_per_mac)),
        ("area of the macro", _known(macro.area_um2 or None, "µm²")),
        ("throughput of the macro", tables.quantity(macro.tops, "TOPS")),
        ("efficiency of the macro", _known(macro.tops_per_w, "TOPS/W")),
        ("density of the macro", _known(macro.tops_per_mm2, "TOPS/mm²")),
        ("energy assumed", tables.percent(macro.assumed_energy_ratio, 0)),
    ):
        table.add_row(what, text)
    return table
