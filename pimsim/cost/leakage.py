"""What leaks, and for how long.

Which question this module answers: *which components draw power without switching during an
inference, and how much energy is that?*

Idle logic is power-gated, the same for every chip, as the RAP paper gates its memories. What leaks:
the circuits around the cells of a macro while it reads; a digital unit while it works; and all
through the inference the SRAM cells of macros that hold something, the buffers and routers of tiles
that work, routers that traffic crosses, and the global buffer. Embedded DRAM is refreshed as long.
Everything else is switched off. A chip without such gating leaks more:
:class:`pimsim.cost.chip.ChipCost` has the areas to tell how much.

Not modelled: the energy and the time of gating itself.
"""

from collections.abc import Iterator, Mapping, Sequence

from pimsim.cost import published_table
from pimsim.cost.basis import CostBasis
from pimsim.cost.chip import ChipCost, MacroCost, global_buffer_model
from pimsim.cost.ledger import Ledger
from pimsim.cost.prices import Price, busy_prices, leakage_price, refresh_price
from pimsim.cost.service_times import service_times
from pimsim.cost.sourced import Sourced, total
from pimsim.cost.technology import logic_leakage_mw
from pimsim.records import ActionCounts, Timeline
from pimsim.timing.gating import gated_on_ps
from pimsim.units import PS_PER_NS


def chip_leakages(
    chip: ChipCost, *, macros: Mapping[str, int], tiles: int, routers: int
) -> Iterator[tuple[str, Sourced, str]]:
    """Yield component, leakage power [mW] and model of what leaks as long as it is switched on.

    Parameters
    ----------
    chip
        What components cost.
    macros
        Macro kind → macros whose cells are switched on.
    tiles
        Tiles whose buffers are.
    routers
        Routers that are.
    """
    models, point = chip.models, chip.point
    if chip.table is not None:
        for component, power_mw in published_table.standing_power_mw(chip.table, tiles):
            yield component, power_mw, published_table.MODEL
        return
    for name, macro in chip.macros.items():
        used = float(macros.get(name, 0)) if chip.models_macro(name) else 0.0
        if used and macro.crossbar.cells_leakage_mw.value:
            yield name, macro.crossbar.cells_leakage_mw * used, models.crossbar
    yield "tile_buffer", chip.tile_buffer.leakage_mw * float(tiles), models.buffer
    yield "global_buffer", chip.global_buffer.leakage_mw, global_buffer_model(models)
    router = logic_leakage_mw(chip.noc.area_per_tile_um2, point)
    yield "noc", router * float(routers), models.noc


def spend_standing(ledger: Ledger, chip: ChipCost, basis: CostBasis, timeline: Timeline) -> None:
    """Book what leaks or is refreshed all through an inference."""
    latency_ns = timeline.latency_ps / PS_PER_NS
    working = basis.working_tiles
    leakages = chip_leakages(
        chip,
        macros=basis.macros_used,
        tiles=len(working),
        routers=len(working | _crossed_tiles(timeline)),
    )
    for component, power_mw, model in leakages:
        ledger.spend(leakage_price(component, power_mw, model), None, latency_ns)
    if chip.table is None:
        models = chip.models
        refreshed = (
            ("tile_buffer", chip.tile_buffer.refresh_mw * float(len(working)), models.buffer),
            ("global_buffer", chip.global_buffer.refresh_mw, global_buffer_model(models)),
        )
        for component, power_mw, model in refreshed:
            if power_mw.value:
                ledger.spend(refresh_price(component, power_mw, model), None, latency_ns)


def spend_reading(ledger: Ledger, chip: ChipCost, counts: Sequence[ActionCounts]) -> None:
    """Book the leakage of each macro's periphery, for as long as its reads take."""
    read_ps = service_times(chip.architecture).read_ps
    for name in chip.macros:
        if not chip.models_macro(name):
            continue  # the table's power is that of a memory at work, gated otherwise
        reads = sum(
            part.reads / one.inferences
            for one in counts
            for part in one.macros
            if part.macro == name
        )
        spend_macro_leakage(ledger, chip, name, reads * read_ps[name] / PS_PER_NS)


def spend_macro_leakage(ledger: Ledger, chip: ChipCost, name: str, busy_ns: float) -> None:
    """Book the leakage of the periphery of one macro kind."""
    if chip.table is None and chip.models_macro(name):  # published powers include it
        ledger.spend(reading_leakage_price(chip, name), None, busy_ns)


def reading_leakage_price(chip: ChipCost, name: str) -> Price:
    """Price of one nanosecond in which one macro of a kind is read."""
    power_mw = logic_leakage_mw(periphery_area_um2(chip.macros[name]), chip.point)
    return leakage_price(name, power_mw, chip.models.shift_add, "leak_reading_ns")


def periphery_area_um2(macro: MacroCost) -> Sourced:
    """Area of what leaks in a macro while it reads; what leaks in converters is in theirs. [µm²]"""
    return total(
        [
            macro.crossbar.drivers_area_um2,
            macro.crossbar.dacs_area_um2,
            macro.shift_add_area_um2,
            Sourced(0.0) if macro.controller is None else macro.controller.area_um2,
        ]
    )


def spend_units(ledger: Ledger, chip: ChipCost, timeline: Timeline) -> None:
    """Book the leakage of each kind of digital unit, for as long as its instances work."""
    for function, area_um2 in chip.unit_areas_um2.items():
        if not chip.models_unit(function):
            continue
        busy_ns = gated_on_ps(timeline, f"unit:{function}") / PS_PER_NS
        ledger.spend(unit_leakage_price(chip, function, area_um2), None, busy_ns)


def unit_leakage_price(chip: ChipCost, function: str, area_um2: Sourced) -> Price:
    """Price of one nanosecond in which one digital unit works."""
    power_mw = logic_leakage_mw(area_um2, chip.point)
    return leakage_price("units", power_mw, chip.models.units, f"leak_{function}_ns")


def spend_busy_rows(ledger: Ledger, chip: ChipCost, timeline: Timeline) -> None:
    """Book the components of Table 1 that draw their power while something works."""
    for resources, price in busy_prices(chip):
        ledger.spend(price, None, gated_on_ps(timeline, resources) / PS_PER_NS)


def _crossed_tiles(timeline: Timeline) -> set[int]:
    """Tiles at whose routers a link ends that carried something: ``noc:0>1``."""
    ends = (
        end
        for name in timeline.resources
        if name.startswith("noc:") and ">" in name
        for end in name.removeprefix("noc:").split(">")
    )
    return {int(end) for end in ends if end.isdigit()}
