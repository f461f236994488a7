"""What one action of each component costs: the list that the roll-up multiplies counts with.

Which question this module answers: *what does one conversion, one driven word line, one row of a
softmax or one bit over one link cost on this chip?*

The roll-up takes every energy from here, and explanations show the same prices, so that the two
cannot differ. The energy of a line of a roll-up is its price times its number of actions, exactly.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pimsim.cost import paper_table
from pimsim.cost.areas import chip_areas, is_digital, overhead_component
from pimsim.cost.chip import ChipCost, global_buffer_model
from pimsim.cost.recombination import step_energy_pj
from pimsim.cost.service_times import service_times
from pimsim.cost.sourced import Sourced, exact, setting, sqrt, total
from pimsim.integer.hardware import UnitHardware
from pimsim.units import PS_PER_NS, UM2_PER_MM2

_OUTSIDE_TILES: Final = frozenset({"global_buffer", "io", "overhead"})
"""Components that a chip has once."""


class Price(NamedTuple):
    """Energy of one action of one component."""

    component: str
    """Flat name such as ``"mram.adc"``."""
    action: str
    energy_pj: Sourced
    model: str
    """Registry name of the model that gave the price."""


def macro_prices(chip: ChipCost, name: str) -> dict[str, Price]:
    """Prices of the actions of one macro kind, by action; shift-and-adds apart.

    A read of a cell that conducts fully is ``read_on_cell``, of a driven one that does not
    ``read_off_cell``; ``decode`` is one address, ``set_dac`` a word line set to one of several
    levels, ``skip_zeros`` the choice of the rows of a read, ``hold`` a sample kept for a shared
    converter, ``drive_to_write`` a word line driven for a write (a cycle through a column port
    is priced as one, too), ``write_zero`` and ``write_one`` a cell or one programming pulse.
    Actions that a macro has no circuits for are absent.
    """
    cost, models = chip.macros[name], chip.models
    array = cost.crossbar
    parts = [
        ("crossbar", "read_on_cell", array.energy_per_on_cell_pj, models.crossbar),
        ("crossbar", "read_off_cell", array.energy_per_off_cell_pj, models.crossbar),
        ("drivers", "drive_word_line", array.energy_per_word_line_pj, models.crossbar),
        ("adc", "convert", cost.converter.energy_per_conversion_pj, cost.converter_model),
        ("decoder", "decode", array.energy_per_decode_pj, models.crossbar),
        ("dac", "set_dac", array.energy_per_dac_pj, models.crossbar),
        ("sample_hold", "hold", array.energy_per_hold_pj, models.crossbar),
    ]
    if cost.controller is not None:
        parts.append(("controller", "skip_zeros", cost.controller.energy_pj, models.shift_add))
    parts = [part for part in parts if part[2].value or part[0] in ("crossbar", "adc")]
    macro = chip.architecture.macros[name]
    if macro.writable or macro.reprogram is not None:
        parts += [
            ("write", "write_zero", array.energy_per_written_zero_pj, models.crossbar),
            ("write", "write_one", array.energy_per_written_one_pj, models.crossbar),
            ("write", "drive_to_write", array.energy_per_word_line_pj, models.crossbar),
        ]
    return {
        action: Price(f"{name}.{part}", action, energy_pj, model)
        for part, action, energy_pj, model in parts
    }


def array_read_price(chip: ChipCost, name: str) -> Price | None:
    """Price of one read of one array by Table 1 of the RAP paper; ``None`` if it is not of it."""
    table = chip.paper_table
    if table is None:
        return None
    read_ns = service_times(chip.architecture).read_ps[name] / PS_PER_NS
    found = paper_table.read_energy_pj(table, name, read_ns)
    return None if found is None else Price(found[0], "read_array", found[1], paper_table.MODEL)


def busy_prices(chip: ChipCost) -> Iterator[tuple[str, Price]]:
    """Yield resources and the price of a nanosecond in which one of them works, of Table 1."""
    if chip.paper_table is not None:
        for row in paper_table.busy_rows(chip.paper_table):
            price = Price(row.component, "busy_ns", row.power_mw, paper_table.MODEL)
            yield row.resources, price  # mW · ns = pJ


def shift_add_price(chip: ChipCost, name: str, width_bits: int) -> Price:
    """Price of one conversion's share in the recombination at one accumulator width."""
    macro = chip.architecture.macros[name]
    energy_pj = step_energy_pj(macro, chip.shift_adds, width_bits)
    action = f"shift_add_{width_bits}bit"
    return Price(f"{name}.shift_add", action, energy_pj, chip.models.shift_add)


def wide_shift_add_price(chip: ChipCost, name: str, width_bits: int) -> Price:
    """Price of one step of an accumulator that puts groups with shifts of their own together."""
    energy_pj = chip.shift_adds.shift_add(width_bits).energy_pj
    action = f"group_shift_add_{width_bits}bit"
    return Price(f"{name}.shift_add", action, energy_pj, chip.models.shift_add)


def unit_price(chip: ChipCost, component: str, hardware: UnitHardware, length: int) -> Price:
    """Price of one row of a digital unit.

    Parameters
    ----------
    chip
        What operations cost.
    component
        Name for results, ``"units.softmax"``.
    hardware
        Operations that the unit performs for this row.
    length
        Elements of the row.
    """
    operations = (
        chip.unit_operations.operation(operation.kind, operation.width_bits).energy_pj
        * exact(f"{operation.kind}_{operation.width_bits}bit operations", number)
        for operation, number in hardware.operations(length).items()
    )
    return Price(component, f"row_of_{length}", total(operations), chip.models.units)


def movement_prices(chip: ChipCost) -> dict[str, Price]:
    """Prices of one bit moved, by the name that :class:`pimsim.records.MovedBits` counts it under.

    ``tile_wires`` is the way between a tile's buffer and its macros and units, half the side of the
    tile, and a link is as long as a tile's side; on a bus a bit drives the wire along all tiles. A
    chip without off-chip memory or pins has no price for them.
    """
    models, noc = chip.models, chip.noc
    side_mm = tile_side_mm(chip)
    length_mm = side_mm
    if chip.architecture.chip.noc.model == "bus":
        length_mm = side_mm * setting("chip.tiles", chip.architecture.chip.tiles)
    large = global_buffer_model(models)
    hop_pj = noc.energy_per_bit_hop_pj + noc.wire_energy_pj * length_mm
    wires_pj = noc.wire_energy_pj * side_mm * 0.5
    tile, shared = chip.tile_buffer, chip.global_buffer
    prices = {
        "tile_buffer_read_bits": _bit("tile_buffer.read", tile.energy_per_bit_pj, models.buffer),
        "tile_buffer_write_bits": _bit("tile_buffer.write", tile.write_energy_pj, models.buffer),
        "tile_wires": _bit("tile_wires.move", wires_pj, models.noc),
        "global_buffer_read_bits": _bit("global_buffer.read", shared.energy_per_bit_pj, large),
        "global_buffer_write_bits": _bit("global_buffer.write", shared.write_energy_pj, large),
        "link_bits": _bit("noc.hop", hop_pj, models.noc),
    }
    if chip.memory is not None:
        each = chip.memory.energy_per_bit_pj
        prices["memory_read_bits"] = _bit("memory.read", each, models.memory)
        prices["memory_write_bits"] = _bit("memory.write", each, models.memory)
    if chip.io is not None:
        prices["io_bits"] = _bit("io.move", chip.io.energy_per_bit_pj, models.io)
    return prices


def tile_side_mm(chip: ChipCost) -> Sourced:
    """Side of a square tile: all components that tiles have, over the number of tiles. [mm]"""
    area_um2 = total(
        area
        for component, area, _ in chip_areas(chip)
        if component.split(".")[0] not in _OUTSIDE_TILES
    )
    tiles = setting("chip.tiles", chip.architecture.chip.tiles)
    return sqrt(area_um2.named("area_of_all_tiles_um2") / tiles / UM2_PER_MM2).named(
        "side of a tile", "", "mm"
    )


def overhead_price(chip: ChipCost, spent: Iterable[Price]) -> Price:
    """Clock network and control for what digital components spent together."""
    digital = total(price.energy_pj for price in spent if is_digital(price.component))
    energy_pj = digital * chip.overhead.energy_ratio
    return Price(overhead_component(chip), "clock", energy_pj, chip.models.overhead)


def refresh_price(component: str, power_mw: Sourced, model: str) -> Price:
    """Price of one nanosecond in which a component is refreshed."""
    return Price(f"refresh.{component}", "refresh_ns", power_mw, model)  # mW · ns = pJ


def leakage_price(component: str, power_mw: Sourced, model: str, action: str = "leak_ns") -> Price:
    """Price of one nanosecond in which a component is switched on."""
    return Price(f"leakage.{component}", action, power_mw, model)  # mW · ns = pJ


def _bit(what: str, energy_pj: Sourced, model: str) -> Price:
    component, action = what.rsplit(".", 1)
    return Price(component, f"{action}_bit", energy_pj, model)
